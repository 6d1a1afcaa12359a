"""One decision as an archive that a stranger checks offline.

`facts` is what goes in, as the registry read it in one snapshot. `statement`, `lineage`, `licences`, `sbom` and
`report` each make a part of it; `members` puts them together in one order, and signs. `verify` is the other side: it
stands alone, goes into every bundle as `verify.py`, and is what `gatehouse evidence verify` runs.

The same facts make the same bytes: nothing in a bundle tells when it was exported.
"""
