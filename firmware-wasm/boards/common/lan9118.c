/**
 * SMSC's LAN9118 Ethernet controller (data sheet DS00002266), polled, through its 32-bit port. Frames lie in its own FIFOs, so that none has
 * a buffer here: they come and go in words.
 */
#include "board.h"
#include "cortex_m.h"
#include "hardware.h"

#define CHIP(offset) REGISTER32 (BOARD_LAN9118 + (offset))

#define RX_DATA CHIP (0x00)
#define TX_DATA CHIP (0x20)
#define RX_STATUS CHIP (0x40)
#define TX_STATUS CHIP (0x48)
#define BYTE_TEST CHIP (0x64)
#define BYTE_TEST_VALUE 0x87654321u
#define TX_CONFIG CHIP (0x70)
#define TX_CONFIG_ON 0x2u
#define HARDWARE_CONFIG CHIP (0x74)
#define HARDWARE_RESET 0x1u
#define HARDWARE_MUST_BE_ONE 0x00100000u
#define HARDWARE_TX_FIFO_5_KB 0x00050000u
#define RX_FIFO CHIP (0x7c) /* statuses in bits 23 ... 16 */
#define TX_FIFO CHIP (0x80) /* statuses in bits 23 ... 16, free bytes below */
#define MAC_COMMAND CHIP (0xa4)
#define MAC_COMMAND_BUSY 0x80000000u
#define MAC_COMMAND_READ 0x40000000u
#define MAC_DATA CHIP (0xa8)

/** The MAC's own registers, by MAC_COMMAND. */
enum { MAC_CONTROL = 1, MAC_ADDRESS_HIGH = 2, MAC_ADDRESS_LOW = 3, MII_ACCESS = 6, MII_DATA = 7 };
#define MAC_FULL_DUPLEX 0x00100000u
#define MAC_TX_ON 0x8u
#define MAC_RX_ON 0x4u
#define MII_BUSY 0x1u
#define MII_WRITE 0x2u
#define PHY_ADDRESS 1u

/** The PHY's registers (IEEE 802.3, clause 22). */
enum { PHY_CONTROL = 0, PHY_STATUS = 1, PHY_ADVERTISED = 4 };
#define PHY_NEGOTIATE 0x1200u /* on, and begun anew */
#define PHY_LINK_UP 0x4u
#define PHY_FULL_DUPLEX_ONLY 0x0141u /* at 10 and 100 Mbit/s: the MAC is set to full duplex, whatever is negotiated */

#define RX_STATUS_ERROR 0x8000u
#define RX_STATUS_LENGTH(status) ((status) >> 16 & 0x3fff)
#define CHECKSUM_BYTES 4u /* at a frame's end: the controller leaves it there */
#define FRAME_LIMIT 1514u

#define TX_FIRST_AND_LAST 0x3000u
#define TX_OVERHEAD 16u /* two command words and what may be left of a word at both ends */

/** More than any answer of the controller takes; beyond it the controller is taken as gone. */
#define PATIENCE 100000u

/** Words of the received frame that are in the FIFO, the one that is being given out, and how many of its bytes are left. */
static uint32_t rx_words, rx_word, rx_left;
/** The word that is being filled, and how many bytes it has. */
static uint32_t tx_word, tx_filled;

static bool mac_wait (void)
{
    for (uint32_t i = 0; i < PATIENCE; ++i)
        if (!(MAC_COMMAND & MAC_COMMAND_BUSY)) return true;
    return false;
}

static uint32_t mac_read (uint32_t which)
{
    MAC_COMMAND = MAC_COMMAND_BUSY | MAC_COMMAND_READ | which;
    return mac_wait () ? MAC_DATA : 0;
}

static void mac_write (uint32_t which, uint32_t value)
{
    MAC_DATA = value;
    MAC_COMMAND = MAC_COMMAND_BUSY | which;
    mac_wait ();
}

static bool phy_wait (void)
{
    for (uint32_t i = 0; i < PATIENCE; ++i)
        if (!(mac_read (MII_ACCESS) & MII_BUSY)) return true;
    return false;
}

static uint32_t phy_read (uint32_t which)
{
    mac_write (MII_ACCESS, PHY_ADDRESS << 11 | which << 6 | MII_BUSY);
    return phy_wait () ? mac_read (MII_DATA) : 0;
}

static void phy_write (uint32_t which, uint32_t value)
{
    mac_write (MII_DATA, value);
    mac_write (MII_ACCESS, PHY_ADDRESS << 11 | which << 6 | MII_WRITE | MII_BUSY);
    phy_wait ();
}

static bool reset (void)
{
    HARDWARE_CONFIG = HARDWARE_RESET;
    for (uint32_t i = 0; i < PATIENCE; ++i)
        if (!(HARDWARE_CONFIG & HARDWARE_RESET)) return true;
    return false;
}

bool board_ethernet_start (const uint8_t mac [6])
{
    /* Reading this register also wakes the controller. */
    if (BYTE_TEST != BYTE_TEST_VALUE && BYTE_TEST != BYTE_TEST_VALUE) return false;
    if (!reset ()) return false;
    HARDWARE_CONFIG = HARDWARE_MUST_BE_ONE | HARDWARE_TX_FIFO_5_KB;
    mac_write (MAC_ADDRESS_HIGH, (uint32_t) mac [5] << 8 | mac [4]);
    mac_write (MAC_ADDRESS_LOW, (uint32_t) mac [3] << 24 | (uint32_t) mac [2] << 16 | (uint32_t) mac [1] << 8 | mac [0]);
    phy_write (PHY_ADVERTISED, PHY_FULL_DUPLEX_ONLY);
    phy_write (PHY_CONTROL, PHY_NEGOTIATE);
    TX_CONFIG = TX_CONFIG_ON;
    mac_write (MAC_CONTROL, MAC_FULL_DUPLEX | MAC_TX_ON | MAC_RX_ON);
    rx_words = rx_left = 0;
    return true;
}

bool board_ethernet_link_up (void)
{
    /* A link that was down since the last reading says so once more. */
    phy_read (PHY_STATUS);
    return phy_read (PHY_STATUS) & PHY_LINK_UP;
}

/** Takes words out of the FIFO that nobody wants. */
static void skip (uint32_t words)
{
    while (words-- > 0) (void) RX_DATA;
}

size_t board_ethernet_next (void)
{
    skip (rx_words);
    rx_words = rx_left = 0;
    while (RX_FIFO >> 16 & 0xff) {
        const uint32_t status = RX_STATUS, length = RX_STATUS_LENGTH (status);
        const uint32_t words = (length + 3) / 4;
        if (!(status & RX_STATUS_ERROR) && length > CHECKSUM_BYTES && length <= FRAME_LIMIT + CHECKSUM_BYTES) {
            rx_words = words;
            return length - CHECKSUM_BYTES;
        }
        skip (words);
    }
    return 0;
}

void board_ethernet_read (uint8_t * o_bytes, size_t length)
{
    for (size_t i = 0; i < length; ++i) {
        if (rx_left == 0) {
            if (rx_words == 0) return;
            rx_word = RX_DATA;
            rx_left = 4;
            --rx_words;
        }
        o_bytes [i] = (uint8_t) rx_word;
        rx_word >>= 8;
        --rx_left;
    }
}

bool board_ethernet_send_begin (size_t length)
{
    uint32_t fifo = TX_FIFO;
    /* Nobody asks what became of frames, but their statuses take room. */
    for (uint32_t statuses = fifo >> 16 & 0xff; statuses > 0; --statuses) (void) TX_STATUS;
    if (length > FRAME_LIMIT || (fifo & 0xffff) < length + TX_OVERHEAD) return false;
    TX_DATA = TX_FIRST_AND_LAST | (uint32_t) length;
    TX_DATA = (uint32_t) length;
    tx_word = tx_filled = 0;
    return true;
}

void board_ethernet_send (const uint8_t * bytes, size_t length)
{
    for (size_t i = 0; i < length; ++i) {
        tx_word |= (uint32_t) bytes [i] << 8 * tx_filled;
        if (++tx_filled < 4) continue;
        TX_DATA = tx_word;
        tx_word = tx_filled = 0;
    }
}

void board_ethernet_send_end (void)
{
    if (tx_filled) TX_DATA = tx_word;
}
