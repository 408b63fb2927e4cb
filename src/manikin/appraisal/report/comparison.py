def render_contrast(c): return ""
