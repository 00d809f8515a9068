"""The pictures of the documentation: what each is made with, and whether it is up to date.

`table` says which commands make a picture and how its page is put together, `compose` puts
pages together, and `sums` tells pictures that are older than their entry of the table.
"""
