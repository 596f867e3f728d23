/* Which AE-ID registered with which Credential-ID: retained, so that the same credential gets the same identity at
 * its next association (TS-0003 8.2.1, spec order: assigned earlier). */
#ifndef GH_HOST_CREDENTIAL_MAP_H
#define GH_HOST_CREDENTIAL_MAP_H

#include "base/arena.h"

typedef struct gh_credential_map gh_credential_map;

gh_credential_map *gh_credential_map_new(void);
void gh_credential_map_free(gh_credential_map *map);
/* Any thread. An empty AE-ID removes. */
void gh_credential_map_set(gh_credential_map *map, gh_str credential_id, gh_str ae_id);
/* Copies into the arena; false when unknown. */
bool gh_credential_map_get(gh_credential_map *map, gh_arena *arena, gh_str credential_id, gh_str *ae_id);

#endif
