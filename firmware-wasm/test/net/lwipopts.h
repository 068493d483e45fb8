/** The device's lwIP for tests on a host: its broker lives in the same lwIP, behind the interface's loop, so there is more of everything. */
#include "../../net/lwipopts.h"

#undef MEM_SIZE
#define MEM_SIZE 400000
#undef MEMP_NUM_TCP_PCB
#define MEMP_NUM_TCP_PCB 16
#undef MEMP_NUM_TCP_SEG
#define MEMP_NUM_TCP_SEG 256
#undef PBUF_POOL_SIZE
#define PBUF_POOL_SIZE 256
#define LWIP_NETIF_LOOPBACK 1
/* This machine's own are there. */
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS

/* Mutated frames come further than to their checksums. */
#define CHECKSUM_CHECK_IP 0
#define CHECKSUM_CHECK_UDP 0
#define CHECKSUM_CHECK_TCP 0
#define CHECKSUM_CHECK_ICMP 0

/* A name for the broker without a server of names. */
#define DNS_LOCAL_HOSTLIST 1
#define DNS_LOCAL_HOSTLIST_INIT { DNS_LOCAL_HOSTLIST_ELEM ("broker.test", IPADDR4_INIT_BYTES (10, 0, 2, 15)) }
