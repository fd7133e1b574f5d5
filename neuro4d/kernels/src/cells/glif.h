// Generalised leaky integrate-and-fire, all levels. The sums are those of `GLIF.step` in neurons/_glif.py, in their order.
#pragma once

#include "../program.h"
#include "../simd.h"

namespace neuro4d {
namespace N4_ISA {

struct Glif {
  static constexpr Field kParams[] = {
      N4_FIELD("cell.leak"),         N4_FIELD("cell.resistance"),     N4_FIELD("cell.rate"),         N4_FIELD("cell.g_leak"),
      N4_FIELD("cell.v_rest"),       N4_FIELD("cell.v_th"),           N4_FIELD("cell.asc_keep_1"),   N4_FIELD("cell.asc_keep_2"),
      N4_FIELD("cell.asc_mean_1"),   N4_FIELD("cell.asc_mean_2"),     N4_FIELD("cell.asc_after_1"),  N4_FIELD("cell.asc_after_2"),
      N4_FIELD("cell.asc_amp_1"),    N4_FIELD("cell.asc_amp_2"),      N4_FIELD("cell.spike_keep"),   N4_FIELD("cell.spike_after"),
      N4_FIELD("cell.spike_add"),    N4_FIELD("cell.voltage_keep"),   N4_FIELD("cell.voltage_mean"), N4_FIELD("cell.voltage_gap"),
      N4_FIELD("cell.voltage_cross"), N4_FIELD("cell.voltage_rate"),  N4_FIELD("cell.reset_fraction"), N4_FIELD("cell.reset_base"),
      N4_FIELD("cell.hold")};
  static constexpr Field kState[] = {N4_FIELD("cell.v"),     N4_FIELD("cell.th_spike"), N4_FIELD("cell.th_voltage"),
                                     N4_FIELD("cell.asc_1"), N4_FIELD("cell.asc_2"),    N4_FIELD("cell.left")};
  enum P {
    kLeak, kResistance, kRate, kGLeak, kVRest, kVTh, kAscKeep1, kAscKeep2, kAscMean1, kAscMean2, kAscAfter1, kAscAfter2, kAscAmp1,
    kAscAmp2, kSpikeKeep, kSpikeAfter, kSpikeAdd, kVoltageKeep, kVoltageMean, kVoltageGap, kVoltageCross, kVoltageRate, kResetFraction,
    kResetBase, kHold
  };
  enum S { kV, kThSpike, kThVoltage, kAsc1, kAsc2, kLeft };

  template <bool kG, bool kJump>
  N4_INLINE static I step(const F* p, F* s, F g, F i, F jump) {
    const F before = s[kV], left = s[kLeft];
    const F inward = p[kAscMean1] * s[kAsc1] + p[kAscMean2] * s[kAsc2] + i;
    F steady = p[kVRest] + p[kResistance] * inward, share = p[kLeak], gap = p[kVoltageGap];
    if (kG) {
      const F total = p[kGLeak] + g;
      steady = (p[kGLeak] * p[kVRest] + inward) / total;
      share = one_minus_exp_f32(splat(0.0f) - p[kRate] * total);
      gap = p[kVoltageCross] * exprel_f32(within(splat(-80.0f), splat(80.0f), p[kVoltageRate] - p[kRate] * total));
    }
    F v = before + share * (steady - before);
    if (kJump) v = v + jump;
    const F th_spike = p[kSpikeKeep] * s[kThSpike];
    const F th_voltage = p[kVoltageKeep] * s[kThVoltage] + p[kVoltageMean] * (steady - p[kVRest]) + gap * (before - steady);
    const F excess = v - (p[kVTh] + th_spike + th_voltage);
    const I free = below(left, splat(0.5f));
    const I spike = free & at_least(excess, splat(0.0f));
    const F asc_1 = p[kAscKeep1] * s[kAsc1], asc_2 = p[kAscKeep2] * s[kAsc2];
    s[kV] = select(spike, p[kResetFraction] * before + p[kResetBase], select(free, v, before));
    s[kThSpike] = select(spike, p[kSpikeAfter] * th_spike + p[kSpikeAdd], select(free, th_spike, s[kThSpike]));
    s[kThVoltage] = select(free, th_voltage, s[kThVoltage]);
    s[kAsc1] = select(spike, p[kAscAfter1] * asc_1 + p[kAscAmp1], select(free, asc_1, s[kAsc1]));
    s[kAsc2] = select(spike, p[kAscAfter2] * asc_2 + p[kAscAmp2], select(free, asc_2, s[kAsc2]));
    s[kLeft] = select(spike, p[kHold], select(free, left, left - splat(1.0f)));
    return spike;
  }
};

}  // namespace N4_ISA
}  // namespace neuro4d
