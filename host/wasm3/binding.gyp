{
  # wasm3_source: folder of wasm3's C sources relative to this file; install.js passes it.
  "variables": { "kernel_source": "../../firmware-wasm/kernels" },
  "targets": [
    {
      "target_name": "wasm3",
      "sources": [
        "src/addon.c",
        "src/call.c",
        "src/errors.c",
        "src/images.c",
        "src/instance.c",
        "src/kernels.c",
        "src/memory.c",
        "src/stack_guard.c",
        "src/values.c",
        "<(kernel_source)/binary_conv.c",
        "<(kernel_source)/exit_pool.c",
        "<(kernel_source)/image_conv.c",
        "<(kernel_source)/kernels.c",
        "<(kernel_source)/pack_levels.c",
        "<(wasm3_source)/m3_bind.c",
        "<(wasm3_source)/m3_code.c",
        "<(wasm3_source)/m3_compile.c",
        "<(wasm3_source)/m3_core.c",
        "<(wasm3_source)/m3_env.c",
        "<(wasm3_source)/m3_exec.c",
        "<(wasm3_source)/m3_function.c",
        "<(wasm3_source)/m3_info.c",
        "<(wasm3_source)/m3_module.c",
        "<(wasm3_source)/m3_parse.c",
      ],
      "include_dirs": ["<(wasm3_source)", "<(kernel_source)"],
      "defines": [
        "NAPI_VERSION=8",
        # Small pages: a module for a device compiles to a few KiB, and a process may hold thousands of instances.
        "d_m3CodePageAlignSize=4096",
        # wasm3 marks the results of a call in its slot table without a bounds check. The table is therefore larger than
        # what the stack height limit, the most locals and the most results (lib/scan.js) can reach together.
        "d_m3MaxFunctionStackHeight=1000",
        "d_m3MaxFunctionSlots=4000",
      ],
      "cflags": [
        "-O3",
        # Each wasm operation is a C function that tail-calls the next one: without this the native stack grows per operation.
        "-foptimize-sibling-calls",
        "-fomit-frame-pointer",
        "-fno-strict-aliasing",
        # wasm3 computes i32.add and the like in signed C integers.
        "-fwrapv",
        "-fvisibility=hidden",
      ],
      "cflags!": ["-fno-omit-frame-pointer"],
      "xcode_settings": {
        "GCC_OPTIMIZATION_LEVEL": "3",
        "OTHER_CFLAGS": [
          "-foptimize-sibling-calls",
          "-fomit-frame-pointer",
          "-fno-strict-aliasing",
          "-fwrapv",
          "-fvisibility=hidden",
        ],
      },
    }
  ],
}
