// The operators that Python calls: their arguments are checked here, and runs are updated one after the other.
#include <torch/library.h>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <memory>

#include "imitation.h"
#include "update.h"
#include "value.h"

namespace recall {
namespace {

void check_sizes(const at::Tensor& tensor, at::IntArrayRef sizes, const char* name) {
  TORCH_CHECK(tensor.sizes() == sizes, name, " has the shape ", tensor.sizes(), "; it must have ", sizes);
}

void check_learner(const Tensors& tensors) {
  for (const auto& tensor : tensors) {
    TORCH_CHECK(tensor.is_contiguous() && tensor.scalar_type() == at::kFloat,
                "the native update changes contiguous float32 tensors only");
  }
}

void check_layers(const Tensors& layers, const Tensors& like, const char* name) {
  TORCH_CHECK(layers.size() == like.size(), name, " has another number of layers");
  for (size_t i = 0; i < layers.size(); ++i) {
    check_sizes(layers[i], like[i].sizes(), name);
  }
}

// As products and loops read them; the same tensors where they lie so already.
Tensors contiguous(at::TensorList tensors) {
  Tensors found;
  for (const auto& tensor : tensors) {
    found.push_back(tensor.to(at::kFloat).contiguous());
  }
  return found;
}

// Of states (runs, batch, obs).
Sizes sizes_of(const Tensors& actor, const at::Tensor& obs) {
  Sizes sizes{obs.size(1), obs.size(2), actor.back().size(2) / 2, {}};
  for (size_t i = 0; i + 2 < actor.size(); i += 2) {
    sizes.hidden.push_back(actor[i].size(2));
  }
  return sizes;
}

void check_actor(const Tensors& actor, int64_t runs, const Sizes& sizes) {
  check_sizes(actor[0], {runs, sizes.obs, sizes.hidden[0]}, "the actor's first layer");
  check_sizes(actor.back(), {runs, 1, 2 * sizes.action}, "the actor's last layer");
}

void check(const Learner& learner, const Tensors& batch, const at::Tensor& noise, const Tensors& imitation,
           const Sizes& sizes) {
  const int64_t runs = learner.actor[0].size(0);
  check_actor(learner.actor, runs, sizes);
  check_sizes(learner.critics[0], {2 * runs, sizes.obs + sizes.action, sizes.hidden[0]}, "the critics' first layer");
  check_sizes(batch[0], {runs, sizes.batch, sizes.obs}, "obs");
  check_sizes(batch[1], {runs, sizes.batch, sizes.action}, "action");
  check_sizes(batch[2], {runs, sizes.batch}, "reward");
  check_sizes(batch[3], {runs, sizes.batch, sizes.obs}, "next_obs");
  check_sizes(batch[4], {runs, sizes.batch}, "terminated");
  check_sizes(noise, {2, runs, sizes.batch, sizes.action}, "noise");
  check_layers(imitation, learner.actor, "imitation");
}

// The thread's workspace for these sizes; the next sizes take its place.
template <typename Work>
Work& workspace(const Sizes& sizes) {
  thread_local std::unique_ptr<Work> kept;
  if (!kept || kept->sizes().all() != sizes.all()) {
    kept = std::make_unique<Work>(sizes);
  }
  return *kept;
}

// Products used AMX's tiles perhaps, which slow down whatever comes next.
template <typename T>
void release() {
  at::native::cpublas::brgemm_release(WORD<T> > 1);
}

template <typename T>
at::Tensor update(const Learner& learner, const Tensors& batch, const at::Tensor& noise, const Tensors& imitation,
                  const Settings& settings) {
  const Sizes sizes = sizes_of(learner.actor, batch[0]);
  check(learner, batch, noise, imitation, sizes);
  Update<T>& update = workspace<Update<T>>(sizes);
  *learner.updates.data_ptr<float>() += 1;
  const int64_t runs = noise.size(1);
  const at::Tensor metrics = at::empty({runs, sizeof(Metrics) / sizeof(float)}, noise.options());
  const auto of = [](const at::Tensor& all, int64_t run) { return all.select(0, run).data_ptr<float>(); };
  for (int64_t run = 0; run < runs; ++run) {
    const Batch own{of(batch[0], run), of(batch[1], run), of(batch[2], run), of(batch[3], run),
                    of(batch[4], run), of(noise[0], run), of(noise[1], run)};
    *reinterpret_cast<Metrics*>(of(metrics, run)) = update(learner, run, own, imitation, settings);
  }
  release<T>();
  return metrics.t();
}

template <typename T>
Tensors imitation(const Tensors& actor, const at::Tensor& obs, const at::Tensor& x, const at::Tensor& valid,
                  float weight) {
  const Sizes sizes = sizes_of(actor, obs);
  const int64_t runs = obs.size(0);
  check_actor(actor, runs, sizes);
  check_sizes(x, {runs, sizes.batch, sizes.action}, "x");
  check_sizes(valid, {runs, sizes.batch}, "valid");
  Tensors gradient;
  for (const auto& layer : actor) {
    gradient.push_back(at::empty_like(layer));
  }
  auto& write = workspace<ImitationGradient<T>>(sizes);
  for (int64_t run = 0; run < runs; ++run) {
    const auto of = [&](const at::Tensor& all) { return all.select(0, run).data_ptr<float>(); };
    write(network(actor, run), of(obs), of(x), valid.select(0, run).data_ptr<bool>(), weight, network(gradient, run));
  }
  release<T>();
  return gradient;
}

template <typename T>
at::Tensor values(const Tensors& actor, const Tensors& critics, const at::Tensor& obs) {
  const int64_t runs = obs.size(0), n = obs.size(1);
  const at::Tensor found = at::empty({runs, n}, obs.options());
  if (n == 0) {
    return found;
  }
  Sizes sizes = sizes_of(actor, obs);
  check_actor(actor, runs, sizes);
  check_sizes(critics[0], {2 * runs, sizes.obs + sizes.action, sizes.hidden[0]}, "the critics' first layer");
  sizes.batch = std::min<int64_t>(n, 4 * BLOCK);
  auto& value = workspace<Value<T>>(sizes);
  for (int64_t run = 0; run < runs; ++run) {
    value(actor, critics, run, obs.select(0, run).data_ptr<float>(), n, found.select(0, run).data_ptr<float>());
  }
  release<T>();
  return found;
}

// Calls action(T()) with the type that products read.
template <typename Action>
auto with_type(bool bfloat16, const Action& action) {
#ifdef __AVX512BF16__
  if (bfloat16) {
    return action(BFloat16());
  }
#endif
  TORCH_CHECK(!bfloat16, "this processor has no products in bfloat16");
  return action(float());
}

at::Tensor soft_actor_critic(at::TensorList tensors, at::TensorList batch, const at::Tensor& noise,
                             at::TensorList imitation, double learning_rate, double discount, double tau,
                             bool automatic, bool bfloat16) {
  const Tensors own(tensors.begin(), tensors.end());
  check_learner(own);
  const Learner learner(own);
  const Settings settings{learning_rate, discount, tau, automatic};
  return with_type(bfloat16, [&](auto number) {
    return update<decltype(number)>(learner, contiguous(batch), noise.contiguous(), contiguous(imitation), settings);
  });
}

Tensors imitation_gradient(at::TensorList actor, const at::Tensor& obs, const at::Tensor& x, const at::Tensor& valid,
                           double weight, bool bfloat16) {
  const Tensors own = contiguous(actor);
  return with_type(bfloat16, [&](auto number) {
    return imitation<decltype(number)>(own, obs.contiguous(), x.contiguous(), valid.contiguous(), weight);
  });
}

at::Tensor state_value(at::TensorList actor, at::TensorList critics, const at::Tensor& obs, bool bfloat16) {
  return with_type(bfloat16, [&](auto number) {
    return values<decltype(number)>(contiguous(actor), contiguous(critics), obs.contiguous());
  });
}

// Throws where products do not work.
void probe(bool bfloat16) {
  with_type(bfloat16, [](auto number) {
    using T = decltype(number);
    Buffer<T> factors(DEPTH<T> * LANES);
    Buffer<float> found(LANES);
    product<T>({1, DEPTH<T>, LANES}, factors, DEPTH<T>, factors, LANES, found, LANES);
  });
}

bool rounds_inputs() { return std::is_same_v<First<BFloat16>, BFloat16>; }

}  // namespace
}  // namespace recall

TORCH_LIBRARY(recall_native, library) {
  library.def("probe(bool bfloat16) -> ()", &recall::probe);
  library.def("rounds_inputs() -> bool", &recall::rounds_inputs);
  library.def("state_value(Tensor[] actor, Tensor[] critics, Tensor obs, bool bfloat16) -> Tensor");
  library.impl("state_value", c10::DispatchKey::CPU, &recall::state_value);
  library.def(
      "soft_actor_critic(Tensor(a!)[] learner, Tensor[] batch, Tensor noise, Tensor[] imitation, float learning_rate, "
      "float discount, float tau, bool automatic, bool bfloat16) -> Tensor");
  library.def(
      "imitation_gradient(Tensor[] actor, Tensor obs, Tensor x, Tensor valid, float weight, bool bfloat16) -> Tensor[]");
  library.impl("imitation_gradient", c10::DispatchKey::CPU, &recall::imitation_gradient);
  library.impl("soft_actor_critic", c10::DispatchKey::CPU, &recall::soft_actor_critic);
}
