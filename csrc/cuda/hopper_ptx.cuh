// What sm_90 has beside the instructions of ptx.cuh: barriers that count bytes, bulk copies, and
// registers that move between warpgroups. Addresses in shared memory are 32-bit ones.
#pragma once

#include "ptx.cuh"

#ifndef __CUDACC__
#include <emulated_hopper.h>  // the same functions on a CPU, for the tests
#else

namespace simgan::cuda::ptx {

// mbarrier (PTX ISA 9.7.13.15), 8 bytes: a phase ends when `arrivals` threads have arrived and all
// expected bytes have come.
__device__ __forceinline__ void init_barrier(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" : : "r"(barrier), "r"(arrivals) : "memory");
}

// Shows the new barriers to the copy engine; other threads need a __syncthreads, too.
__device__ __forceinline__ void fence_barrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ __forceinline__ void arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" : : "r"(barrier) : "memory");
}

// Arrives, and lets the phase wait for so many bytes of bulk copies.
__device__ __forceinline__ void arrive_expecting(uint32_t barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;"
               :
               : "r"(barrier), "r"(bytes)
               : "memory");
}

// Waits for the end of the phase of this parity; the phases of a barrier have parities 0, 1, 0 ...
__device__ __forceinline__ void wait(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred ended;\nagain_%=:\n"
      "mbarrier.try_wait.parity.shared.b64 ended, [%0], %1;\n"
      "@!ended bra again_%=;\n}"
      :
      : "r"(barrier), "r"(parity)
      : "memory");
}

// Starts a copy of `bytes`, a multiple of 16 between addresses that are, to shared memory; tells
// `barrier` when they are there.
__device__ __forceinline__ void copy_bulk(uint32_t to, const void* from, int bytes,
                                          uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
      :
      : "r"(to), "l"(from), "r"(bytes), "r"(barrier)
      : "memory");
}

// The same from shared to global memory; part of this thread's group.
__device__ __forceinline__ void copy_bulk_out(void* to, uint32_t from, int bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;"
               :
               : "l"(to), "r"(from), "r"(bytes)
               : "memory");
}

__device__ __forceinline__ void commit_bulk() {
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

// Waits until this thread's copies have read their shared memory.
__device__ __forceinline__ void wait_bulk_read() {
  asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
}

// Waits until this thread's copies have ended.
__device__ __forceinline__ void wait_bulk() {
  asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}

// Shows this thread's writes to shared memory to the copy engine and the tensor cores, which see it
// by another way than threads do ("async proxy"); a barrier must follow.
__device__ __forceinline__ void fence_async() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Registers per thread from now on; every warp of a warpgroup must come here.
template <int kRegisters>
__device__ __forceinline__ void release_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" : : "n"(kRegisters));
}
template <int kRegisters>
__device__ __forceinline__ void claim_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" : : "n"(kRegisters));
}

// stmatrix: the inverse of load_matrices_transposed.
__device__ __forceinline__ void store_matrices_transposed(uint32_t row_address,
                                                          const uint32_t (&registers)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};"
               :
               : "r"(row_address), "r"(registers[0]), "r"(registers[1]), "r"(registers[2]),
                 "r"(registers[3])
               : "memory");
}

}  // namespace simgan::cuda::ptx

#endif
