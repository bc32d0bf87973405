// How the sm_90a kernels keep 64-channel bf16 maps: as a stream in planes of 8 channels.
//
//   [8 planes][slots][8 channels]
//
// A slot is a pixel or padding. An image is height + 1 rows of width + 1 slots, the last row and
// the last column zeros, so that every neighbour of a pixel lies a fixed number of slots away and
// is zero outside the image. 8 successive slots of a plane are a core matrix of wgmma: a filter tap
// is another start address of the same operand. Guards of zeros lie before and after the images.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "numbers.cuh"

namespace simgan::cuda::trunk {

constexpr int kChannels = 64;
constexpr int kPlanes = 8;
constexpr int kPlaneChannels = kChannels / kPlanes;
constexpr int kSlotBytes = kPlaneChannels * 2;
constexpr int kCoreBytes = 8 * kSlotBytes;  // of a core matrix
constexpr int kChunk = 112;                 // slots that a warpgroup calculates at a time
constexpr int kTaps = 9;

// The bf16 pair where the other pair is positive, else 0.
__device__ __forceinline__ uint32_t keep_where_positive(uint32_t pair, uint32_t gate) {
  const uint32_t low = static_cast<int16_t>(gate) > 0 ? 0xffffu : 0u;
  const uint32_t high = static_cast<int32_t>(gate) > 0xffff ? 0xffff0000u : 0u;
  return pair & (low | high);
}

__device__ __forceinline__ uint4 keep_where_positive(uint4 value, uint4 gate) {
  return {keep_where_positive(value.x, gate.x), keep_where_positive(value.y, gate.y),
          keep_where_positive(value.z, gate.z), keep_where_positive(value.w, gate.w)};
}

struct StreamShape {
  int64_t images;
  int height, width;

  __host__ __device__ int pitch() const {
    return width + 1;
  }
  __host__ __device__ int image_slots() const {
    return (height + 1) * pitch();
  }
  __host__ __device__ int chunks() const {
    return static_cast<int>((images * image_slots() - 1) / kChunk + 1);
  }
  // Slots on both sides of a chunk that a filter reads, rounded up to whole tiles of 16.
  __host__ __device__ int margin() const {
    return (pitch() + 1 + 15) / 16 * 16;
  }
  // Slots before the first image: a chunk and its margin.
  __host__ __device__ int lead() const {
    return kChunk + margin();
  }
  __host__ __device__ int64_t slots() const {
    return int64_t{chunks()} * kChunk + 2 * lead();
  }
};

// The pixel [image][row][column], counted through, at a slot behind the lead; -1 for padding.
__device__ inline int64_t pixel_of(const StreamShape& shape, int slot) {
  const int image = slot / shape.image_slots(), place = slot % shape.image_slots();
  const int row = place / shape.pitch(), column = place % shape.pitch();
  if (slot < 0 || image >= shape.images || row == shape.height || column == shape.width) return -1;
  return (int64_t{image} * shape.height + row) * shape.width + column;
}

constexpr int kConvertThreads = 256;
constexpr int kConvertSlots = kConvertThreads / kPlanes;  // of a CTA

// stream = maps, where `gate` > 0 if there is one; all else zero. Grid: slots / kConvertSlots.
__global__ void __launch_bounds__(kConvertThreads)
    to_stream_kernel(const StreamShape shape,
                     const uint4* maps,  // [images][height][width][8 planes]
                     const uint4* gate,  // the same, or nullptr
                     uint4* stream) {    // [8 planes][slots]
  const int64_t slot = int64_t{blockIdx.x} * kConvertSlots + threadIdx.x / kPlanes;
  const int plane = threadIdx.x % kPlanes;
  if (slot >= shape.slots()) return;
  const int64_t pixel = pixel_of(shape, static_cast<int>(slot) - shape.lead());
  uint4 value = {0, 0, 0, 0};
  if (pixel >= 0) {
    value = maps[pixel * kPlanes + plane];
    if (gate != nullptr) value = keep_where_positive(value, gate[pixel * kPlanes + plane]);
  }
  stream[plane * shape.slots() + slot] = value;
}

// maps = the pixels of stream. Grid as above.
__global__ void __launch_bounds__(kConvertThreads)
    from_stream_kernel(const StreamShape shape, const uint4* stream, uint4* maps) {
  const int64_t slot = int64_t{blockIdx.x} * kConvertSlots + threadIdx.x / kPlanes;
  const int plane = threadIdx.x % kPlanes;
  if (slot >= shape.slots()) return;
  const int64_t pixel = pixel_of(shape, static_cast<int>(slot) - shape.lead());
  if (pixel >= 0) maps[pixel * kPlanes + plane] = stream[plane * shape.slots() + slot];
}

// Bit s of inside[1 + chunk] says whether slot s of the chunk is a pixel; chunks -1 and `chunks`
// have none. A CTA of 128 threads per chunk.
__global__ void __launch_bounds__(128)
    mark_inside_kernel(const StreamShape shape, uint32_t* inside) {  // [chunks + 2][4]
  const int chunk = static_cast<int>(blockIdx.x) - 1, slot = threadIdx.x;
  const bool owned = slot < kChunk && chunk >= 0 && chunk < shape.chunks();
  const bool is_pixel = owned && pixel_of(shape, chunk * kChunk + slot) >= 0;
  const uint32_t word = __ballot_sync(0xffffffffu, is_pixel);
  if (slot % 32 == 0) inside[blockIdx.x * 4 + slot / 32] = word;
}

// The filters of two convolutions, [out][in][3][3], as operands of wgmma: [convolution][tap][step
// of 16 channels][thread]. For a gradient by the data the second comes first, in and out exchanged,
// flipped. Grid: (9 * 4, 2), 128 threads.
__global__ void __launch_bounds__(128)
    pack_filters_kernel(const __nv_bfloat16* weight1, const __nv_bfloat16* weight2, bool gradient,
                        uint4* fragments) {
  const int tap = blockIdx.x / 4, first_column = blockIdx.x % 4 * 16;
  const __nv_bfloat16* weight = (blockIdx.y == 0) == gradient ? weight2 : weight1;
  const auto at = [&](int row, int column) {
    return gradient ? weight[(column * kChannels + row) * kTaps + kTaps - 1 - tap]
                    : weight[(row * kChannels + column) * kTaps + tap];
  };
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
  const int column = first_column + lane % 4 * 2;
  const auto pair = [&](int r, int c) {
    return pack<__nv_bfloat16>({to_float(at(r, c)), to_float(at(r, c + 1))});
  };
  fragments[(blockIdx.y * gridDim.x + blockIdx.x) * 128 + threadIdx.x] = {
      pair(row, column), pair(row + 8, column), pair(row, column + 8), pair(row + 8, column + 8)};
}

}  // namespace simgan::cuda::trunk
