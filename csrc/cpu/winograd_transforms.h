// The transforms of Winograd's F(4x4, 3x3) on short vectors. Included by winograd_kernels.h only,
// inside the namespace of one instruction set.

// The evaluation points are 0, +-kA, +-kB and infinity. 5/8 and 3/2 halve the error of the usual 1
// and 2 (measured over 64 channels: 8e-7 against 1.7e-6), and their powers are exact.
constexpr float kA = 0.625f, kB = 1.5f;
constexpr float kA2 = kA * kA, kB2 = kB * kB;
constexpr float kA3 = kA2 * kA, kB3 = kB2 * kB;
constexpr float kProduct = kA2 * kB2, kSum = kA2 + kB2;

inline Vector load(const float* from) {
  Vector value;
  __builtin_memcpy(&value, from, sizeof(value));
  return value;
}

inline void store(float* to, Vector value) {
  __builtin_memcpy(to, &value, sizeof(value));
}

// out = B^T in, six pixels to six points.
inline void transform_six_pixels(const Vector in[6], Vector out[6]) {
  out[0] = kProduct * in[0] - kSum * in[2] + in[4];
  const Vector even_a = in[4] - kB2 * in[2], odd_a = kA * (in[3] - kB2 * in[1]);
  out[1] = even_a + odd_a;
  out[2] = even_a - odd_a;
  const Vector even_b = in[4] - kA2 * in[2], odd_b = kB * (in[3] - kA2 * in[1]);
  out[3] = even_b + odd_b;
  out[4] = even_b - odd_b;
  out[5] = kProduct * in[1] - kSum * in[3] + in[5];
}

// out = A^T in, six points to four pixels.
inline void transform_six_points(const Vector in[6], Vector out[4]) {
  const Vector even_a = in[1] + in[2], odd_a = in[1] - in[2];
  const Vector even_b = in[3] + in[4], odd_b = in[3] - in[4];
  out[0] = in[0] + even_a + even_b;
  out[1] = kA * odd_a + kB * odd_b;
  out[2] = kA2 * even_a + kB2 * even_b;
  out[3] = kA3 * odd_a + kB3 * odd_b + in[5];
}

// out = A in, the transpose: four pixels of a gradient to six points.
inline void transform_four_pixels(const Vector in[4], Vector out[6]) {
  out[0] = in[0];
  const Vector even_a = in[0] + kA2 * in[2], odd_a = kA * in[1] + kA3 * in[3];
  out[1] = even_a + odd_a;
  out[2] = even_a - odd_a;
  const Vector even_b = in[0] + kB2 * in[2], odd_b = kB * in[1] + kB3 * in[3];
  out[3] = even_b + odd_b;
  out[4] = even_b - odd_b;
  out[5] = in[3];
}

// Six rows of G, three taps to six points, in double: a rounding here would be in every pixel.
struct TapTransform {
  double rows[6][3];
};

constexpr TapTransform tap_transform() {
  constexpr double a = kA, b = kB;
  constexpr double at_0 = 1 / (a * a * b * b);
  constexpr double at_a = 1 / (2 * a * a * (a * a - b * b));
  constexpr double at_b = 1 / (2 * b * b * (b * b - a * a));
  return {{{at_0, 0, 0},
           {at_a, a * at_a, a * a * at_a},
           {at_a, -a * at_a, a * a * at_a},
           {at_b, b * at_b, b * b * at_b},
           {at_b, -b * at_b, b * b * at_b},
           {0, 0, 1}}};
}
