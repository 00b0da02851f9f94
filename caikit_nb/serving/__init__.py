"""Models behind ModelMesh's ModelRuntime API and the open inference protocol."""
