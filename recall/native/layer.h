// A layer x W + b: its parameters where torch keeps them, and the copies that products read.
#pragma once

#include <cstring>
#include <vector>

#include "adam.h"
#include "buffer.h"
#include "product.h"

namespace recall {

// Weights (in, out) and biases (out,) of one layer of one network, or of anything that has their shapes.
struct Affine {
  float* weight;
  float* bias;
};

// What Adam changes and what it reads; nothing is added to the gradient where `added` holds null pointers.
struct Descent {
  Affine parameters, first, second, added;
};

// Lets Adam change the layers of a network as their gradients are found.
struct Descend {
  const std::vector<Descent>& layers;
  Adam& adam;

  void operator()(size_t layer, float* Affine::*part, int64_t at, int64_t n, const float* gradient) const {
    const Descent& d = layers[layer];
    adam.step(n, d.parameters.*part + at, d.first.*part + at, d.second.*part + at, gradient,
              d.added.*part ? d.added.*part + at : nullptr);
  }
};

template <typename T>
class Layer {
 public:
  const int64_t in, out, in_stride, out_stride;

  Layer(int64_t n_in, int64_t n_out)
      : in(n_in),
        out(n_out),
        in_stride(padded(n_in)),
        out_stride(padded(n_out)),
        bias_(out_stride),
        wide_(in_stride * out_stride),
        rounded_(in_stride * out_stride),
        words_(in_stride * out_stride),
        transposed_(in_stride * out_stride) {}

  // Make `words` and `bias` of parameters.
  void pack(const Affine& from) {
    rows_now_ = rows(from.weight, in);
    words_now_ = interleave(rows_now_, in_stride, out_stride, words_);
    std::copy_n(from.bias, out, static_cast<float*>(bias_));
  }

  // After it: make `transposed`, the weights' transpose.
  void pack_transposed() { transpose_rows(in); }

  // Without it: the same of the inputs from `first` on alone.
  void pack_transposed(const Affine& from, int64_t first) {
    rows_now_ = rows(from.weight + first * out, in - first);
    transpose_rows(in - first);
  }

  const T* words() const { return words_now_; }
  const T* transposed() const { return transposed_; }
  const float* bias() const { return bias_; }

  // Calls take(part, at, n, gradient) for all of the gradient inputs' times gradients: n weights or biases from `at` on,
  // out of slabs that stay in the second-level cache.
  //
  // inputs: transposed, (in, batch); gradients: words (batch, out); sums: of the gradients over the batch.
  template <typename Take>
  void gradient(const T* inputs, const T* gradients, int64_t batch, const float* sums, float* slab,
                const Take& take) const {
    for (int64_t row = 0; row < in; row += BLOCK) {
      const int64_t rows = std::min(BLOCK, in - row);
      product<T>({rows, batch, out_stride}, inputs + row * batch, batch, gradients, out_stride, slab, out_stride);
      for (int64_t i = 0; i < rows; ++i) {
        take(&Affine::weight, (row + i) * out, out, slab + i * out_stride);
      }
    }
    take(&Affine::bias, 0, out, sums);
  }

 private:
  // n rows of weights, padded.
  const T* rows(const float* weights, int64_t n) {
    if (out == out_stride) {
      return narrow(weights, n * out, rounded_);
    }
    for (int64_t row = 0; row < n; ++row) {
      std::copy_n(weights + row * out, out, wide_ + row * out_stride);
    }
    return narrow(wide_, n * out_stride, rounded_);
  }

  void transpose_rows(int64_t n) {
    transpose<T>(rows_now_, out_stride / WORD<T>, n, out_stride / WORD<T>, transposed_, in_stride);
  }

  Buffer<float> bias_, wide_;
  Buffer<T> rounded_, words_, transposed_;
  const T *rows_now_ = nullptr, *words_now_ = nullptr;
};

}  // namespace recall
