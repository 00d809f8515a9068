"""A tiny call of every command that writes a record, for tests of running it again."""

STYLE_NET = "net/style.safetensors"
"""What `style_commands.make_folder` trains."""
STACK = (
    *("ranvgg", "stack", "x.png", "--net", "demo", "--size", 16, "--networks", 2),
    *("--candidates", 1, "--steps", 2, "--stop", "relu1_1"),
)
TAPS = ("--content-tap", "relu2_1", "--style-tap", "relu1_1,relu2_1")
DECODER = ("train", "autoencoder", "photos", "--model", "small", "--steps", 2, "--batch", 2)

CASES = {
    "demo": ("demo", "--seeds", 1, "--steps", 1),
    "maximize": (
        *("maximize", "demo", "--tap", "conv2_1", "--recipe", "mahendran", "--index", "0:3"),
        *("--peaks", "photos", "--steps", 2, "--chunk", 2),
    ),
    "sweep": ("sweep", "demo", "--classes", "red,blue", "--steps", 2, "--bits", 16),
    "interpolate": (
        *("interpolate", "demo", "red", "relu2_1:3", "--count", 3, "--steps", 2, "--size", 32),
        *("--seeds", 2),
    ),
    "vital": ("vital", "demo", "large", "--index", "red", "--most", 2, "--steps", 2),
    "accentuate": (
        *("accentuate", "demo", "x.png", "--tap", "relu2_1", "--index", "3,5", "--steps", 2),
        *("--size", 32, "--seeds", 2),
    ),
    "invert": (
        *("invert", "demo", "x.png", "chelsea", "--tap", "relu1_1,relu2_1", "--size", 32),
        *("--fidelity", "1,20", "--steps", 2, "--preset", "mahendran", "--second", 1),
    ),
    "caricature": ("caricature", "demo", "x.png", "--tap", "relu1_1", "--steps", 2, "--size", 16),
    "dream": (
        *("dream", "demo", "x.png", "--tap", "relu1_1", "--steps", 2, "--octaves", 2),
        *("--octave-scale", 1.1),
    ),
    "generate": ("generate", "demo", "--index", "1,2+3", "--steps", 2, "--side", 32),
    "facets": ("facets", "demo", "large", "--index", "red", "--count", 2, "--steps", 2),
    "bias": ("bias", "demo", "large", "--index", "red", "--pictures", "x.png,y.png"),
    "classical-texture": ("classical-texture", "x.png", "--window", 3, "--size", 8),
    "texture": (
        *("texture", "demo", "x.png", "--blocks", "1:3", "--steps", 2),
        *("--means", "means.npz", "--layer-weights", "equal"),
    ),
    "style": (
        *("style", "demo", "x.png", "y.png", "chelsea", *TAPS, "--mix", "1,0.5"),
        *("--masks", "y.png,x.png", "--scales", 2, "--steps", 2, "--size", 32),
    ),
    "stylize": ("stylize", STYLE_NET, "photos", "--style", "x:1,y:3"),
    "augment": ("augment", STYLE_NET, "photos", "--copies", 2, "--size", 16),
    "train style": (
        *("train", "style", "photos", "--style", "x.png,y.png", "--steps", 2, "--net", "demo"),
        *(*TAPS, "--size", 16, "--width", 2, "--blocks", 1, "--batch", 2, "--model", "same"),
    ),
    "feature-maps": (
        *("feature-maps", "demo", "x.png", "--tap", "relu1_1", "--codes", "ranked"),
        *("--styles", "y.png", "chelsea", "--steps", 2, "--size", 24),
    ),
    "ranvgg stack": STACK,
    "ranvgg invert": (
        *("ranvgg", "invert", "x.png", "--net", "demo", "--size", 16, "--seeds", 2),
        *("--kinds", "random,stacked,trained", "--stacked", "stack", "--tap", "relu1_1"),
        *("--steps", 2),
    ),
    "train autoencoder": DECODER,
    "train robust": (
        *("train", "robust", "demo", "classes", "--steps", 2, "--batch", 2, "--size", 16),
        *("--attack-steps", 1, "--validation", 0.5),
    ),
    "explain": ("explain", "demo", "x.png", "--method", "lrp", "--index", "red,blue", "--size", 32),
    "saliency": (
        *("saliency", "demo", "x.png", "--method", "smooth-grad", "--samples", 2, "--size", 32),
        *("--tap", "relu1_1", "--index", 3),
    ),
    "guided": ("guided", "demo", "x.png", "--top", 2, "--size", 64),
    "cam": ("cam", "demo", "x.png", "--layer", "relu2_1", "--method", "layer-cam"),
    "occlude": ("occlude", "demo", "x.png", "--patch", 32, "--stride", 32, "--size", 64),
    "compare": ("compare", "demo", "x.png", "--methods", "saliency,grad-cam", "--size", 64),
    "filters": ("filters", "demo", "--tap", "conv1_1,conv2_1", "--index", "0:3"),
    "activations": ("activations", "demo", "x.png", "--tap", "relu1_1", "--size", 16),
    "attack": (
        *("attack", "demo", "x.png", "--epsilon", "16/255,64/255", "--steps", 2, "--size", 64),
        *("--restarts", 2),
    ),
    "robustness": (
        *("robustness", "demo", "large", "--epsilon", "8/255", "--steps", 2, "--restarts", 2),
        *("--queries", 8),
    ),
    "patches": (
        *("patches", "demo", "large", "--tap", "relu1_1,fc8", "--size", 64, "--top", 2),
        *("--index", "0:2", "--relevance", "best"),
    ),
    "neighbours": ("neighbours", "demo", "large", "x.png", "chelsea", "--tap", "relu2_1"),
    "embed": ("embed", "demo", "large", "--tap", "relu2_1", "--plane", "pca", "--clusters", 2),
    "concepts": (
        *("concepts", "demo", "large", "--tap", "relu2_1", "--count", 2, "--top", 2, "--draw"),
        *("--steps", 2, "--side", 32, "--relevance", "red", "--crops", 2),
    ),
    "atlas": (
        *("atlas", "demo", "x.png", "--tap", "relu2_1", "--grid", 2, "--groups", 2),
        *("--steps", 2, "--side", 32),
    ),
}
"""Command -> words. All but `demo` keep to the embedded network, and to seconds."""
