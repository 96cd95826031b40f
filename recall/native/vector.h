// Vectors of float32, as wide as the processor has them, and the two types that products read.
#pragma once

#ifndef __AVX2__
#error "this processor has no AVX2"
#endif
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define CPU_CAPABILITY AVX512
#define CPU_CAPABILITY_AVX512
#else
#define CPU_CAPABILITY AVX2
#define CPU_CAPABILITY_AVX2
#endif

#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace recall {

using at::BFloat16;
using Vector = at::vec::Vectorized<float>;
constexpr int64_t LANES = Vector::size();

#ifdef __AMX_BF16__
constexpr bool AMX = true;
#else
constexpr bool AMX = false;
#endif

// What enters a network, and the weights it meets, where products read numbers of type T.
//
// Rounding inputs is nearly all of bfloat16's error on Walker2d, rounding the first weights most of what is left on
// HalfCheetah. So both stay float32, except with AMX: it multiplies bfloat16 ten times as fast, and in Humanoid's full
// observation a third of an update would be those products.
template <typename T>
using First = std::conditional_t<AMX, T, float>;

// Rows are padded with zeros to a whole number of vectors, and to whole cache lines, in either type.
constexpr int64_t padded(int64_t n) { return (n + 31) / 32 * 32; }

inline Vector load(const float* from) { return Vector::loadu(from); }
inline void store(float* to, Vector x) { x.store(to); }

// Whole vectors of numbers in the type that products read: float32 is what it is, and nothing is copied.
inline const float* narrow(const float* numbers, int64_t, float*) { return numbers; }

#ifdef __AVX512BF16__

inline Vector load(const BFloat16* from) {
  auto bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

// Rounds to nearest; NaN stays NaN, infinity infinity.
inline void store(BFloat16* to, Vector x) {
  auto bits = _mm512_cvtneps_pbh(x);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), reinterpret_cast<__m256i&>(bits));
}

inline const BFloat16* narrow(const float* numbers, int64_t n, BFloat16* rounded) {
  for (int64_t i = 0; i < n; i += LANES) {
    store(rounded + i, load(numbers + i));
  }
  return rounded;
}

#endif

inline float sum(Vector x) {
  return at::vec::vec_reduce_all<float>([](Vector& a, Vector& b) { return a + b; }, x);
}

// Calls step(offset, lanes) until n numbers are covered; fewer than LANES are left for the last call at most.
template <typename Step>
inline void for_lanes(int64_t n, const Step& step) {
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    step(i, LANES);
  }
  if (i < n) {
    step(i, n - i);
  }
}

inline Vector load(const float* from, int64_t lanes) {
  return lanes == LANES ? Vector::loadu(from) : Vector::loadu(from, lanes);
}
inline void store(float* to, Vector x, int64_t lanes) { lanes == LANES ? x.store(to) : x.store(to, lanes); }

}  // namespace recall
