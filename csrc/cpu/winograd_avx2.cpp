// AVX2 and FMA: 16 registers of 8 floats.
#define SIMGAN_ISA avx2
#define SIMGAN_ISA_TABLE kWinogradAvx2
#define SIMGAN_ISA_BYTES 32
#define SIMGAN_ISA_TILES 12
#define SIMGAN_ISA_ROWS 6
#define SIMGAN_ISA_OUTER 4
#include "winograd_kernels.h"
