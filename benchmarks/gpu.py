"""What a GPU makes of the models: parity, throughput, latency, memory, and the share of the floor.

    python benchmarks/gpu.py                     # a machine with an NVIDIA GPU; minutes
    python benchmarks/gpu.py --device cpu        # tiny networks on the processor: does the benchmark work?

Every engine that runs here is first compared with a float32 reference at every batch size; one that differs
is not measured. Then encoder, decoder and edits from cached latents are timed, beside what people would call
instead: PyTorch as it is, in bfloat16 and channels-last, and compiled. Results are written to
benchmarks/results/, under the GPU's name.
"""

from on_gpu.cli import main

if __name__ == "__main__":
    main()
