// Any CPU: vectors of 4 floats, which the compiler maps to what there is.
#define SIMGAN_ISA portable
#define SIMGAN_ISA_TABLE kWinogradPortable
#define SIMGAN_ISA_BYTES 16
#define SIMGAN_ISA_TILES 12
#define SIMGAN_ISA_ROWS 6
#define SIMGAN_ISA_OUTER 4
#include "winograd_kernels.h"
