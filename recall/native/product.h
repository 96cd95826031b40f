// Products of matrices by oneDNN's kernels, which use AMX, AVX-512 with bfloat16 or AVX2, whatever the processor has.
//
// The left factor lies row by row. The right one lies in *words* of 32 bits: a word holds what stands in one column in
// as many successive rows as fit, one float32 or two bfloat16. Words turn one form into another:
//
//   interleave   rows -> words of the same matrix
//   transpose    words of a matrix -> rows of its transpose, and rows of a matrix -> words of its transpose
#pragma once

#include <ATen/native/CPUBlas.h>

#include "vector.h"

namespace recall {

template <typename T>
constexpr int64_t WORD = 4 / sizeof(T);

// Rows that pass through the layers together, so that they stay in the first-level cache.
constexpr int64_t BLOCK = 32;

struct Shape {
  int64_t rows, depth, columns;
};

// What the depth of a product is a multiple of; what does not fill AMX's tiles would be multiplied slowly.
template <typename T>
constexpr int64_t DEPTH = AMX && WORD<T> > 1 ? 32 : WORD<T>;

// c = a b, or c += a b. Strides count numbers from row to row, of b from word row to word row in words.
template <typename T>
void product(Shape shape, const T* a, int64_t a_stride, const T* b, int64_t b_stride, float* c, int64_t c_stride,
             bool add = false) {
  const int64_t depth = (shape.depth + DEPTH<T> - 1) / DEPTH<T> * DEPTH<T>;
  at::native::cpublas::brgemm(shape.rows, shape.columns, depth, a_stride, b_stride, c_stride, add, a, b, c,
                              WORD<T> > 1);
}

// float32 rows are words already: nothing is copied.
inline const float* interleave(const float* rows, int64_t, int64_t, float*) { return rows; }

inline const BFloat16* interleave(const BFloat16* rows, int64_t n_rows, int64_t width, BFloat16* words) {
  const auto* from = reinterpret_cast<const uint16_t*>(rows);
  auto* to = reinterpret_cast<uint32_t*>(words);
  for (int64_t row = 0; row < n_rows; row += 2, from += 2 * width, to += width) {
    for (int64_t j = 0; j < width; ++j) {
      to[j] = from[j] | static_cast<uint32_t>(from[j + width]) << 16;
    }
  }
  return words;
}

// An (n_rows, n_columns) matrix of words, row by row; strides count words. Flat, so that the compiler sees that nearly
// all blocks are whole ones, and keeps them in registers.
template <typename T>
[[gnu::flatten]] void transpose(const T* from, int64_t from_stride, int64_t n_rows, int64_t n_columns, T* to, int64_t to_stride) {
  at::vec::transpose_mxn<float>(reinterpret_cast<const float*>(from), from_stride, reinterpret_cast<float*>(to),
                                to_stride, static_cast<int>(n_rows), static_cast<int>(n_columns));
}

}  // namespace recall
