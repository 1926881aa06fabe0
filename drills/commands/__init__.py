"""The subcommands of `tierhost drill`, one module each: `configure(parser)` and `run(arguments) -> exit code`."""
