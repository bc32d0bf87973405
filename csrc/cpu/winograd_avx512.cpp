// AVX-512: 32 registers of 16 floats.
#define SIMGAN_ISA avx512
#define SIMGAN_ISA_TABLE kWinogradAvx512
#define SIMGAN_ISA_BYTES 64
#define SIMGAN_ISA_TILES 14
#define SIMGAN_ISA_ROWS 14
#define SIMGAN_ISA_OUTER 8
#include "winograd_kernels.h"
