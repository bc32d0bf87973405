// A sum whose order of additions depends on the length alone.
#pragma once

#include <cstdint>

namespace simgan::cpu {

constexpr int kLanes = 16;

// Element i goes to lane i % kLanes; the lanes are added last. Doubles, so that a million float
// terms lose nothing.
struct FixedOrderSum {
  double lanes[kLanes] = {};

  double total() const {
    double sum = 0.0;
    for (double lane : lanes) sum += lane;
    return sum;
  }
};

}  // namespace simgan::cpu
