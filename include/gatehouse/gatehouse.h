/* Everything that libgatehouse offers to the maker of a device. */
#ifndef GATEHOUSE_GATEHOUSE_H
#define GATEHOUSE_GATEHOUSE_H

#include "gatehouse/client.h"
#include "gatehouse/error.h"
#include "gatehouse/secret.h"
#include "gatehouse/str.h"

#endif
