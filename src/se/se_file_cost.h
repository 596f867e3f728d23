/* Creating a sealed file with another cost than the default. For tests only: a cheap file is a weak file. */
#ifndef GH_SE_SE_FILE_COST_H
#define GH_SE_SE_FILE_COST_H

#include "se/se.h"
#include "se/se_seal.h"

GH_MUST_USE gh_err gh_se_file_create_with_cost(const char *path, gh_str passphrase, const gh_random *random,
                                               const gh_seal_cost *cost, gh_se **out, gh_diag *diag);

#endif
