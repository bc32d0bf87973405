// What a convolution takes for the pixels beyond the border of its image.
#pragma once

namespace simgan {

enum class Padding : int {
  kZeros = 0,
  kReplicate = 1,  // the nearest pixel of the image
};

}  // namespace simgan
