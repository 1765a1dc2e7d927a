"""Surface syntax: text to tree and back.

    parse(source, file=…) -> (Module, diagnostics)
    format_source(text) -> text
    render(sources, diagnostics) -> text
"""
