"""The zoo: small and paper-sized trainings that data_gen, proxy_eval and the benchmarks run."""
