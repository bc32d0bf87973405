// The instruction sets that the Winograd kernels are compiled for and this CPU has, best first.
#pragma once

#include "winograd.h"

namespace simgan::cpu {

// The table number `index`; nullptr behind the last one.
inline const WinogradKernels* winograd_kernels(int index) {
#ifdef SIMGAN_WITH_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && index-- == 0) return &kWinogradAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && index-- == 0) {
    return &kWinogradAvx2;
  }
#endif
  return index == 0 ? &kWinogradPortable : nullptr;
}

}  // namespace simgan::cpu
