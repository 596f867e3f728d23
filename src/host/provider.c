/* Look-ups in the list of other service providers. It is short, and fixed while the host is open. */
#include "host/provider.h"

#include "host/host.h"

static gh_str sp_of(const gh_provider *provider)
{
  return gh_id_parse(provider->cse).sp;
}

const gh_provider *gh_provider_of_sp(const gh_host_config *config, gh_str sp)
{
  for (size_t i = 0; i < config->provider_count; i++)
    if (gh_str_eq_nocase(sp_of(&config->providers[i]), sp)) return &config->providers[i];
  return NULL;
}

const gh_provider *gh_provider_of_cse(const gh_host_config *config, gh_str cse)
{
  for (size_t i = 0; i < config->provider_count; i++)
    if (gh_str_eq(config->providers[i].cse, cse)) return &config->providers[i];
  return NULL;
}

const gh_provider *gh_provider_certified(const gh_host_config *config, gh_str fqdn)
{
  for (size_t i = 0; i < config->provider_count; i++)
    if (config->providers[i].certificate && gh_str_eq_nocase(config->providers[i].fqdn, fqdn))
      return &config->providers[i];
  return NULL;
}

/*= TS-0001 6.5.4 subject to agreements */
bool gh_provider_may_register(const gh_host_config *config, gh_str cse)
{
  const gh_provider *provider = gh_provider_of_cse(config, cse);
  return provider && provider->may_register;
}
