"""The steps of a run, each a function of its inputs' content, and the pipeline that calls them."""
