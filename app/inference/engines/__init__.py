"""The engines, one module each; import a module only where its library is wanted."""
