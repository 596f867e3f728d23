/* The measured series of share/demo/host-load.csv, built into the program (tools/embed.py). */
#ifndef GH_CMD_DEMO_DATA_H
#define GH_CMD_DEMO_DATA_H

#include "gatehouse/str.h"

extern const gh_str gh_demo_data;

#endif
