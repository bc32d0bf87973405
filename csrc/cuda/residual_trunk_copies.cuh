// The copying warps of residual_trunk_kernel: they start bulk copies and wait.
#pragma once

#include "residual_trunk_memory.cuh"

namespace simgan::cuda::trunk {

// By one thread, before any role starts.
template <bool kBackward>
__device__ inline void init_barriers(const BlockTask& task) {
  const uint32_t barriers = ptx::dynamic_shared() + BlockMemory<kBackward>::kBarriers;
  const auto init = [&](Barrier of, int stages, int arrivals) {
    for (int i = 0; i < stages; ++i) ptx::init_barrier(barriers + 8 * (of + i), arrivals);
  };
  init(kInputFull, kInputStages, 1);
  init(kInputEmpty, kInputStages, kWarps);
  init(kBetweenFull, kRing, kWarps);
  init(kBetweenEmpty, kRing, kWarps + (task.between != nullptr));
  init(kGateFull, kRing, 1);
  init(kSkipFull, kOutputStages, 1);
  init(kOutputFull, kOutputStages, kWarps);
  init(kOutputEmpty, kOutputStages, 1);
  ptx::fence_barrier_init();
}

// Each warp has one job; lane p < 8 copies plane p.
template <bool kBackward>
class Copier : BlockRole<kBackward> {
  using Role = BlockRole<kBackward>;
  using Role::arrive, Role::barrier, Role::wait, Role::wait_empty;
  using Role::first_, Role::lane_, Role::last_, Role::task_, Role::warp_;

 public:
  __device__ explicit Copier(const BlockTask& task) : Role(task) {}

  __device__ __forceinline__ void run() const {
    if (warp_ == 0) {
      load_input();
    } else if (warp_ == 1) {
      if (kBackward) load_gate();
      if (blockIdx.x == 0) clear_guards(task_.output);
      if (blockIdx.x == 0 && task_.between != nullptr) clear_guards(task_.between);
    } else if (warp_ == 2) {
      load_skip();
    } else {
      store_results();
    }
  }

 private:
  // This lane's plane of a stream, from a chunk on.
  template <typename Number>
  __device__ __forceinline__ Number* plane_at(Number* stream, int chunk) const {
    const int64_t slot = lane_ * task_.slots + task_.lead + int64_t{chunk} * kChunk;
    return stream + slot * kPlaneChannels;
  }

  // Slots around a chunk to shared memory, where planes are `plane_slots` apart.
  __device__ __forceinline__ void load(uint32_t to, int plane_slots, const __nv_bfloat16* stream,
                                       int chunk, int margin, uint32_t full) const {
    if (lane_ >= kPlanes) return;
    ptx::copy_bulk(to + (lane_ * plane_slots - margin) * kSlotBytes,
                   plane_at(stream, chunk) - margin * kPlaneChannels,
                   (kChunk + 2 * margin) * kSlotBytes, full);
  }

  __device__ __forceinline__ void store(__nv_bfloat16* stream, int chunk, uint32_t from,
                                        int plane_slots) const {
    if (lane_ >= kPlanes) return;
    ptx::copy_bulk_out(plane_at(stream, chunk), from + lane_ * plane_slots * kSlotBytes,
                       kChunk * kSlotBytes);
  }

  // Lane 0 announces what the lanes are about to copy.
  __device__ __forceinline__ uint32_t expect(Barrier of, int stage, int bytes) const {
    const uint32_t full = barrier(of, stage);
    if (lane_ == 0) ptx::arrive_expecting(full, bytes);
    __syncwarp();
    return full;
  }

  __device__ __forceinline__ void load_input() const {
    Turn<kInputStages> turn;
#pragma unroll 1
    for (int chunk = first_ - 1; chunk <= last_; ++chunk, turn.next()) {
      wait_empty(kInputEmpty, turn);
      const int bytes = (kChunk + 2 * task_.margin) * kPlanes * kSlotBytes;
      const uint32_t full = expect(kInputFull, turn.stage, bytes);
      load(this->input_chunk(turn.stage), kInputSlots, task_.input, chunk, task_.margin, full);
    }
  }

  // The gate comes to where `between` replaces it in place.
  __device__ __forceinline__ void load_gate() const {
    Turn<kRing> turn;
#pragma unroll 1
    for (int chunk = first_ - 1; chunk <= last_; ++chunk, turn.next()) {
      wait_empty(kBetweenEmpty, turn);
      const uint32_t full = expect(kGateFull, turn.stage, kChunkBytes);
      load(this->ring_chunk(turn.stage), kRingSlots, task_.gate, chunk, 0, full);
    }
  }

  // What is added to the second convolution's result, and the gate that the output replaces.
  __device__ __forceinline__ void load_skip() const {
    const bool gated = kBackward && task_.output_gate != nullptr;
    Turn<kOutputStages> turn;
#pragma unroll 1
    for (int chunk = first_; chunk < last_; ++chunk, turn.next()) {
      wait_empty(kOutputEmpty, turn);
      const uint32_t full = expect(kSkipFull, turn.stage, (gated ? 2 : 1) * kChunkBytes);
      load(this->skip_chunk(turn.stage), kChunk, task_.input, chunk, 0, full);
      if (gated) load(this->output_chunk(turn.stage), kChunk, task_.output_gate, chunk, 0, full);
    }
  }

  // A chunk of `between`, and of the output the chunk before: the last one that can be ready.
  __device__ __forceinline__ void store_results() const {
    const bool keeps = task_.between != nullptr;
    Turn<kRing> between;
    Turn<kOutputStages> output;
#pragma unroll 1
    for (int chunk = first_ - 1; chunk <= last_; ++chunk, between.next()) {
      if (keeps) {
        wait(kBetweenFull, between);
        if (chunk >= first_ && chunk < last_) {
          store(task_.between, chunk, this->ring_chunk(between.stage), kRingSlots);
        }
      }
      if (chunk > first_) {
        wait(kOutputFull, output);
        store(task_.output, chunk - 1, this->output_chunk(output.stage), kChunk);
      }
      ptx::commit_bulk();
      ptx::wait_bulk_read();
      if (keeps) arrive(kBetweenEmpty, between.stage);
      if (chunk > first_) {
        arrive(kOutputEmpty, output.stage);
        output.next();
      }
    }
    ptx::wait_bulk();
  }

  __device__ __forceinline__ void clear_guards(__nv_bfloat16* stream) const {
    const int64_t end = task_.slots - task_.lead;
#pragma unroll 1
    for (int i = lane_; i < task_.lead * kPlanes; i += 32) {
      uint4* plane = reinterpret_cast<uint4*>(stream) + i % kPlanes * task_.slots;
      plane[i / kPlanes] = plane[end + i / kPlanes] = {0, 0, 0, 0};
    }
  }
};

}  // namespace simgan::cuda::trunk
