"""How reports are drawn: pictures in one style as SVG elements, and pages of HTML that need no other file."""
