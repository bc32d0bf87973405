// Every native launcher: raw pointers, sizes and, on a GPU, a stream in; an error code out (0 is
// success). No torch and no Python here. The Python wrappers check shapes, dtypes and devices
// before a call.
#pragma once

#include <cstdint>
#include <vector>

#include "padding.h"

namespace simgan {

// Raised by one whenever a launcher changes its arguments; kernels/native.py asks for the same.
constexpr int kInterface = 8;

// Codes of the CPU launchers. The CUDA launchers return cudaError_t.
enum Status : int {
  kOk = 0,
  kSlotOutOfRange = 1,
  kOutOfMemory = 2,
  kNoSuchInstructions = 3,
};

// Where element [n, class, y, x] of a two-class map lies, in elements from the start.
struct MapLayout {
  int64_t images, rows, columns;
  int64_t image_stride, class_stride, row_stride, column_stride;
};

// Sizes of the maps of a residual block: gapless [images][height][width][channels].
struct BlockShape {
  int64_t images, height, width, channels;
};

// The filters of a residual block: kernel x kernel taps, an odd number from 3 on, with replicated
// borders up to 9.
struct BlockFilters {
  int64_t kernel;
  Padding padding;
};

// What a residual block is calculated from; taps are
// [kernel][kernel][in][out].
struct BlockInputs {
  const float *x, *taps1, *bias1, *taps2, *bias2;
};

// What its gradients are calculated from; these taps are of the convolution that is the gradient:
// flipped, and [kernel][kernel][out][in].
struct BlockActivations {
  const float *grad, *x, *hidden, *output, *taps1, *taps2;
};

// Where its gradients go, taps as in BlockInputs; nullptr where one is not needed.
struct BlockGradients {
  float *x, *taps1, *bias1, *taps2, *bias2;
};

// What the refiner's loss (Eq. 4) is calculated from: the logits of every patch, and `count`
// numbers of `refined` and `target`, an equal share for each of the images.
struct RefinerLossInputs {
  const float* logits;
  MapLayout layout;
  const float *refined, *target;
  int64_t count;
  float lambda_reg;
};

// Its values, and what its gradients are made of; nullptr where a gradient is not needed.
struct RefinerLossOutputs {
  float *total, *realism, *regularization;
  float* slopes;  // [n, c, y, x] in slopes_layout: gradient of the total by the logits
  MapLayout slopes_layout;
  int8_t* signs;  // [count] of refined - target
};

namespace cpu {

// Name of the instruction set number `index` of the residual block that this CPU has, best first;
// nullptr behind the last.
const char* instruction_set(int index);

// output = relu(conv(hidden) + x), hidden = relu(conv(x)), a multiple of 16 channels. `hidden` may
// be nullptr. The bits do not depend on `threads`.
int residual_block_forward(const BlockInputs& inputs, const BlockShape& shape,
                           const BlockFilters& filters, float* hidden, float* output, int threads,
                           int instructions);

// Blocks in turn, hidden maps not kept: the first reads its x, all others have `output` as theirs.
// An image goes through all of them before the next, so that its maps stay in the cache.
int residual_trunk_forward(const std::vector<BlockInputs>& blocks, const BlockShape& shape,
                           const BlockFilters& filters, float* output, int threads,
                           int instructions);

// The gradients that `to` asks for. The bits do not depend on `threads`.
int residual_block_backward(const BlockActivations& from, const BlockShape& shape,
                            const BlockFilters& filters, const BlockGradients& to, int threads,
                            int instructions);

// loss[0] = sum over patches, mean over images of softplus(other - target).
int patch_cross_entropy_forward(const float* logits, const MapLayout& layout, int target,
                                float* loss);

// grad_logits[n, c, y, x] = grad[0] / images * (softmax - one hot); both maps have the same sizes.
int patch_cross_entropy_backward(const float* grad, const float* logits, const MapLayout& layout,
                                 int target, float* grad_logits, const MapLayout& grad_layout);

// loss[0] = sum of |refined - synthetic| over `count` elements / images.
int self_regularization_forward(const float* refined, const float* synthetic, int64_t count,
                                int64_t images, float* loss);

// grad_refined = grad[0] / images * sign(refined - synthetic).
int self_regularization_backward(const float* grad, const float* refined, const float* synthetic,
                                 int64_t count, int64_t images, float* grad_refined);

// total = realism (patch cross-entropy against class 0) + lambda_reg * regularization (L1), all
// sums over patches and numbers, means over images.
int refiner_loss_forward(const RefinerLossInputs& from, const RefinerLossOutputs& to);

// grad_logits = grad[0] * slopes, grad_refined = grad[0] * scale * signs; either may be nullptr.
int refiner_loss_backward(const float* grad, const float* slopes, int64_t slopes_count,
                          float* grad_logits, const int8_t* signs, int64_t signs_count, float scale,
                          float* grad_refined);

// buffer[slots[i]] = refined[i], rows of `row_bytes`; nothing is written if a slot is out of range.
int history_replace(void* buffer, int64_t capacity, const void* refined, const int64_t* slots,
                    int64_t count, int64_t row_bytes);

// Draws slots A and B from state = {seed, number of the draw} (random_slots.h), then old =
// buffer[A], buffer[B] = refined, both of `count` rows, and adds one to the number.
int history_exchange(void* buffer, int64_t capacity, const void* refined, int64_t count,
                     int64_t row_bytes, int64_t* state, void* old);

}  // namespace cpu

namespace cuda {

// Length of the `partials` workspace (float) of the two forward launchers for `count` elements.
int64_t partial_sums(int64_t count);

// The same on a GPU. `stream` is a cudaStream_t; sums have a fixed order, so a repeated call
// gives the same bits.
int patch_cross_entropy_forward(const float* logits, const MapLayout& layout, int target,
                                float* partials, float* loss, void* stream);
int patch_cross_entropy_backward(const float* grad, const float* logits, const MapLayout& layout,
                                 int target, float* grad_logits, const MapLayout& grad_layout,
                                 void* stream);
int self_regularization_forward(const float* refined, const float* synthetic, int64_t count,
                                int64_t images, float* partials, float* loss, void* stream);
int self_regularization_backward(const float* grad, const float* refined, const float* synthetic,
                                 int64_t count, int64_t images, float* grad_refined, void* stream);
// One launch: the block that finishes last adds the others' partial sums. `partials` has the length
// refiner_loss_partials(), `ticket` is 0 before and after.
int64_t refiner_loss_partials(int64_t patches, int64_t count);
int refiner_loss_forward(const RefinerLossInputs& from, const RefinerLossOutputs& to,
                         float* partials, uint32_t* ticket, void* stream);
int refiner_loss_backward(const float* grad, const float* slopes, int64_t slopes_count,
                          float* grad_logits, const int8_t* signs, int64_t signs_count, float scale,
                          float* grad_refined, void* stream);
// A slot out of range is skipped: the host does not wait to read it.
int history_replace(void* buffer, int64_t capacity, const void* refined, const int64_t* slots,
                    int64_t count, int64_t row_bytes, void* stream);
// One launch. The number is below 2^32: while it runs, its upper half counts blocks.
int history_exchange(void* buffer, int64_t capacity, const void* refined, int64_t count,
                     int64_t row_bytes, int64_t* state, void* old, void* stream);

// 16-bit numbers that tensor cores multiply; they add in float.
enum ElementType : int { kBfloat16 = 0, kHalf = 1 };

// A residual block on 16-bit maps, forward or backward; filters are [2][3][3][out][in], the first
// convolution to run first. 16, 32, 48 or 64 channels. Two maps may not overlap.
struct HalfBlock {
  const void *input, *filters;
  const void *bias1, *bias2;  // forward only
  const void* gate;           // backward only
  void *between, *output;     // `between` may be nullptr
};

// between = relu(conv(input) + bias1), output = relu(conv(between) + bias2 + input).
int residual_block_forward(const HalfBlock& block, const BlockShape& maps, ElementType type,
                           void* stream);
// between = conv(input) where gate > 0, output = conv(between) + input: with the filters of the
// gradients (flipped, in and out exchanged, second convolution first), the gradient by the data.
int residual_block_backward(const HalfBlock& block, const BlockShape& maps, ElementType type,
                            void* stream);

// Length of the `partials` workspace (float) of the next launcher, on the current GPU.
int residual_block_partials(const BlockShape& maps, int64_t* count);
// The gradients of a convolution by its filters [3][3][in][out] and its bias [out]. The order of
// the sum depends on the number of multiprocessors and on nothing else.
int residual_block_filter_gradient(const void* input, const void* grad, const BlockShape& maps,
                                   ElementType type, float* partials, void* filters, void* bias,
                                   void* stream);

// Residual blocks one after another on sm_90a, in bf16: 64 channels, 3x3 filters [out][in][3][3],
// maps [images][height][width][64] of a width up to 110.
struct Trunk {
  BlockShape maps;
  int64_t blocks;
  const void* const* parameters;  // [blocks][4]: weight1, bias1, weight2, bias2
};

// Bytes of `kept` and of `workspace` of the next two launchers.
int residual_trunk_sizes(const Trunk& trunk, int64_t* kept, int64_t* workspace);
// Keeps in `kept` what the backward pass needs, unless it is nullptr.
int residual_trunk_forward(const Trunk& trunk, const void* input, void* kept, void* workspace,
                           void* output, void* stream);

struct TrunkGradients {
  void* input;              // maps
  void* const* parameters;  // as in Trunk
};

// `output` and `kept` are those of the forward pass. The order of the sums over pixels depends on
// the number of multiprocessors and on nothing else.
int residual_trunk_backward(const Trunk& trunk, const void* grad, const void* output,
                            const void* kept, void* workspace, const TrunkGradients& gradients,
                            void* stream);

const char* error_text(int code);

}  // namespace cuda
}  // namespace simgan
