// What the warps of residual_trunk_kernel share: the task, shared memory, its barriers.
#pragma once

#include "hopper_ptx.cuh"
#include "residual_trunk_stream.cuh"

namespace simgan::cuda::trunk {

constexpr int kBlockThreads = 384;
constexpr int kWarpgroup = 128;
constexpr int kWarps = kWarpgroup / 32;
constexpr int kInputStages = 2;   // chunks of the input with their margins
constexpr int kRing = 4;          // chunks of `between`
constexpr int kOutputStages = 2;  // chunks of the output
constexpr int kChunkBytes = kChunk * kChannels * 2;
constexpr int kFragments = kTaps * kChannels / 16;

// All maps are streams.
struct BlockTask {
  const __nv_bfloat16* input;
  const uint4* filters;                // [2][kFragments][128], of pack_filters_kernel
  const __nv_bfloat16 *bias1, *bias2;  // [64], forward
  const __nv_bfloat16* gate;           // backward
  const __nv_bfloat16* output_gate;    // backward, or nullptr
  __nv_bfloat16* between;              // or nullptr: not wanted
  __nv_bfloat16* output;
  const uint4* inside;  // [chunks + 2], of mark_inside_kernel
  int64_t slots;
  int lead, pitch, margin, chunks, chunks_per_cta;
};

// Slots of a plane in shared memory: with the widest margin, so that distances are constants.
constexpr int kMostMargin = kChunk;
constexpr int kInputSlots = kChunk + 2 * kMostMargin;
constexpr int kRingSlots = kRing * kChunk + 2 * kMostMargin;

// Byte offsets in shared memory.
template <bool kBackward>
struct BlockMemory {
  static constexpr int kInput = 0;
  static constexpr int kBetween = kInput + kInputStages * kInputSlots * kPlanes * kSlotBytes;
  static constexpr int kOutput = kBetween + kRingSlots * kPlanes * kSlotBytes;
  // Forward, the output replaces what is added to it in place.
  static constexpr int kSkip = kBackward ? kOutput + kOutputStages * kChunkBytes : kOutput;
  static constexpr int kBarriers = kSkip + kOutputStages * kChunkBytes;
  static constexpr int kBytes = kBarriers + 8 * 32;
};
static_assert(BlockMemory<true>::kBytes <= 227 * 1024);

// Barriers of a stage: "full" when it may be read, "empty" when it may be written.
enum Barrier {
  kInputFull = 0,
  kInputEmpty = kInputFull + kInputStages,
  kBetweenFull = kInputEmpty + kInputStages,
  kBetweenEmpty = kBetweenFull + kRing,
  kGateFull = kBetweenEmpty + kRing,
  kSkipFull = kGateFull + kRing,
  kOutputFull = kSkipFull + kOutputStages,
  kOutputEmpty = kOutputFull + kOutputStages,
  kBarrierCount = kOutputEmpty + kOutputStages,
};
static_assert(kBarrierCount <= 32);

// A place in a ring of stages and the parity of its barriers' phase.
template <int kStages>
struct Turn {
  int stage = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void next() {
    if (++stage < kStages) return;
    stage = 0;
    parity ^= 1;
  }
};

// What every role in the kernel knows.
template <bool kBackward>
class BlockRole {
 protected:
  using Memory = BlockMemory<kBackward>;

  __device__ explicit BlockRole(const BlockTask& task)
      : task_(task),
        shared_(__shfl_sync(0xffffffffu, ptx::dynamic_shared(), 0)),
        warp_(threadIdx.x % kWarpgroup / 32),
        lane_(threadIdx.x % 32),
        first_(blockIdx.x * task.chunks_per_cta),
        last_(min(first_ + task.chunks_per_cta, task.chunks)) {}

  __device__ __forceinline__ uint32_t barrier(Barrier of, int stage) const {
    return shared_ + Memory::kBarriers + 8 * (of + stage);
  }
  template <int kStages>
  __device__ __forceinline__ void wait(Barrier of, const Turn<kStages>& turn) const {
    ptx::wait(barrier(of, turn.stage), turn.parity);
  }
  // Waits for a stage to be emptied; at first all are.
  template <int kStages>
  __device__ __forceinline__ void wait_empty(Barrier of, const Turn<kStages>& turn) const {
    ptx::wait(barrier(of, turn.stage), turn.parity ^ 1);
  }
  // Arrives for a warp when all its lanes have come so far.
  __device__ __forceinline__ void arrive(Barrier of, int stage) const {
    __syncwarp();
    if (lane_ == 0) ptx::arrive(barrier(of, stage));
  }

  // Where plane 0 of a stage's chunk starts, behind the margin if it has one.
  __device__ __forceinline__ uint32_t input_chunk(int stage) const {
    return shared_ + Memory::kInput + (stage * kInputSlots * kPlanes + kMostMargin) * kSlotBytes;
  }
  __device__ __forceinline__ uint32_t ring_chunk(int stage) const {
    return shared_ + Memory::kBetween + (stage * kChunk + kMostMargin) * kSlotBytes;
  }
  __device__ __forceinline__ uint32_t output_chunk(int stage) const {
    return shared_ + Memory::kOutput + stage * kChunkBytes;
  }
  __device__ __forceinline__ uint32_t skip_chunk(int stage) const {
    return shared_ + Memory::kSkip + stage * kChunkBytes;
  }

  const BlockTask& task_;
  const uint32_t shared_;
  const int warp_, lane_;   // in the warpgroup, in the warp
  const int first_, last_;  // chunks whose results this CTA writes; `between` one more on each side
};

}  // namespace simgan::cuda::trunk
