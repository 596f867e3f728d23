/* A list of a few CSEs. */
#include "cse/configured_place.h"

gh_str gh_cse_configured_place(const gh_host_config *config, gh_str cse)
{
  for (size_t i = 0; i < config->cse_place_count; i++)
    if (gh_str_eq(config->cse_places[i].cse, cse)) return config->cse_places[i].through;
  return GH_STR_NONE;
}
