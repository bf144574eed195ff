"""How fast `mtl serve` answers next to the library and to other servers, and what it does under load and abuse."""
