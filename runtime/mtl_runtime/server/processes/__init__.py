"""Several processes behind one port: a parent that binds it and watches, and children that answer."""
