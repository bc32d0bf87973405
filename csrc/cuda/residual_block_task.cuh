// Sizes of the kernel in residual_block_kernel.cuh, and what it is asked.
#pragma once

#include "pixel_stream.cuh"

namespace simgan::cuda {

constexpr int kBlockThreads = 128;
constexpr int kBlocksWanted = 2;  // per multiprocessor: what registers allow
constexpr int kTiles = 4;         // of 16 pixels: the rows of a warp
constexpr int kWarpPixels = 16 * kTiles;
constexpr int kChunk = kBlockThreads / 32 * kWarpPixels;
constexpr int kTaps = 9;
constexpr int kPieces = 8;  // the next chunk is loaded in, beside as many taps

template <typename Element>
struct BlockTask {
  StreamShape shape;
  const Element* input;    // [images][height][width][C]
  const Element* filters;  // [2][3 * 3][out][in]
  const Element* bias1;    // [C]; not read in backward
  const Element* bias2;    // [C]; not read in backward
  const Element* gate;     // as input; read in backward only
  Element* between;        // as input, or nullptr: not wanted
  Element* output;         // as input
};

// Positions that a block calculates before its first result: the second filter's reach, in chunks.
__host__ __device__ constexpr int lead_chunks(int columns) {
  return (2 * (columns + 1) + kChunk - 1) / kChunk;
}

template <int kChannels>
struct BlockMemory {
  using Row = Rows<kChannels>;
  static constexpr int kFilterBytes = kChannels * Row::kBytes;  // of one tap
  static constexpr int kRings = 2 * kFilterBytes;

  __host__ __device__ static constexpr int ring_rows(int columns) {
    return kChunk + 2 * (columns + 1);
  }
  __host__ __device__ static constexpr int64_t bytes(int columns) {
    return kRings + int64_t{2} * (ring_rows(columns) + 1) * Row::kBytes;
  }
};

}  // namespace simgan::cuda
