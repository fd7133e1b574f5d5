// Every rule of plasticity that runs natively: a new one is a file of its own and an entry here. Included once per instruction set.
#pragma once

#include "rules/power_law.h"
#include "rules/short_term.h"
#include "rules/stdp.h"
#include "rules/triplet.h"
#include "rules/vogels.h"

// Their Python names; their numbers are their places here.
#define N4_RULES(X) \
  X("STDP", Stdp) X("TripletSTDP", Triplet) X("PowerLawSTDP", PowerLaw) X("VogelsInhibitory", Vogels) \
  X("TsodyksMarkram", ShortTerm)
