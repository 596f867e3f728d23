/* The hosting and registrar CSE: its resource types and its rules of registration. */
#ifndef GH_CSE_CSE_H
#define GH_CSE_CSE_H

#include "host/host.h"

extern const gh_function gh_cse_function;

/* Resource types, a file each. */
extern const gh_type_ops gh_cse_base_ops;
extern const gh_type_ops gh_ae_ops;
extern const gh_type_ops gh_ae_annc_ops;
extern const gh_type_ops gh_container_ops;
extern const gh_type_ops gh_content_instance_ops;
extern const gh_type_ops gh_access_control_policy_ops;
extern const gh_type_ops gh_remote_cse_ops;
extern const gh_type_ops gh_association_key_ops;
extern const gh_type_ops gh_node_ops;
extern const gh_type_ops gh_service_subscription_profile_ops;
extern const gh_type_ops gh_service_subscribed_node_ops;
extern const gh_type_ops gh_service_subscribed_app_rule_ops;

#endif
