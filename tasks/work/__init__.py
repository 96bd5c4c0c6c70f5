"""How units of work run anywhere: processes, devices, Ray, ledger, progress, command line."""
