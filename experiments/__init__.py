"""The command line programs; installed as `rcsr-train` and so on."""
