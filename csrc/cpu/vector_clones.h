// SIMGAN_VECTOR_CLONES compiles a function once per instruction set and picks one when the library
// is loaded. Contraction to fused multiply-add is off, so every choice gives the same bits.
#pragma once

#include <cstdlib>  // defines __GLIBC__ where the C library can resolve clones at load time

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#define SIMGAN_VECTOR_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define SIMGAN_VECTOR_CLONES
#endif
