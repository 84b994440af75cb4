// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlockHeader} from "@openzeppelin/contracts/utils/BlockHeader.sol";
import {Memory} from "@openzeppelin/contracts/utils/Memory.sol";
import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";
import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";

/// @title What another chain holds, proved from the hash of one of its blocks
/// @notice From a block's hash to a contract's slot (EIP-1186, the nodes that `eth_getProof` gives) or to an event of one of its transactions.
/// @dev The hash must come from somebody trusted; nothing here says that the block is that chain's. A block vouches for those before it by
/// their hashes, and for none after it. All proofs are hashed before anything is read from them. What isn't there (a slot that is zero, an account
/// without code) can't be proved here: the traversal reverts. The same proofs are checked in Rust by `src/proof.rs`, which proves absence too.
library RelayProof {
    using BlockHeader for Memory.Slice[];
    using Memory for bytes;
    using Memory for Memory.Slice;
    using RLP for bytes;
    using RLP for Memory.Slice;

    /// @notice An event as a contract of another chain told it.
    struct Log {
        address emitter;
        bytes32[] topics;
        bytes data;
    }

    /// @notice A contract of another chain in a block of it.
    /// @param hash The block's hash, which is trusted.
    /// @param header The block's header in RLP.
    /// @param account The contract.
    /// @param nodes Nodes from the block's state root to the contract's account.
    struct Place {
        bytes32 hash;
        bytes header;
        address account;
        bytes[] nodes;
    }

    /// @dev Slot of `RoundBook._head`, whose lowest 8 bytes are the last round that stands.
    uint256 internal constant HEAD = 0;
    /// @dev Slot of `RoundBook._digests`.
    uint256 internal constant DIGESTS = 3;

    uint256 private constant ACCOUNT_FIELDS = 4;
    uint256 private constant STORAGE_ROOT = 2;
    uint256 private constant RECEIPT_FIELDS = 4;
    uint256 private constant LOGS = 3;
    uint256 private constant LOG_FIELDS = 3;
    /// @dev EIP-7702's, the last that is known.
    uint8 private constant LAST_TYPE = 4;
    uint8 private constant FIRST_LIST = 0xc0;

    /// @notice The header isn't the trusted block's.
    error OtherBlock(bytes32 trusted, bytes32 got);
    /// @notice What the state holds under the address is no account.
    error MalformedAccount(uint256 fields);
    /// @notice What the block holds under the transaction's place is no receipt, or one of an unknown kind.
    error MalformedReceipt(uint8 kind);
    /// @notice The receipt has fewer events.
    error NoSuchLog(uint256 count, uint256 index);
    /// @notice An event that is none.
    error MalformedLog(uint256 fields);
    /// @notice The round doesn't stand in that block: it wasn't posted yet, or was voided.
    error RoundNotThere(uint64 latest, uint64 round);

    /// @notice The roots of the block with a trusted hash.
    function open(bytes32 trusted, bytes memory header)
        internal
        pure
        returns (bytes32 stateRoot, bytes32 receiptsRoot)
    {
        bytes32 got = keccak256(header);
        if (got != trusted) revert OtherBlock(trusted, got);
        Memory.Slice[] memory fields = BlockHeader.parseHeader(header);
        stateRoot = fields.getStateRoot();
        receiptsRoot = fields.getReceiptsRoot();
    }

    /// @notice Root of a contract's storage.
    function storageRoot(Place memory place) internal pure returns (bytes32) {
        (bytes32 stateRoot,) = open(place.hash, place.header);
        bytes memory key = abi.encodePacked(keccak256(abi.encodePacked(place.account)));
        Memory.Slice[] memory account = TrieProof.traverse(stateRoot, key, place.nodes).decodeList();
        if (account.length != ACCOUNT_FIELDS) revert MalformedAccount(account.length);
        return account[STORAGE_ROOT].readBytes32();
    }

    /// @notice The word in a slot of the storage with this root; never zero.
    function word(bytes32 root, bytes32 slot, bytes[] memory nodes) internal pure returns (bytes32) {
        return
            bytes32(
                TrieProof.traverse(root, abi.encodePacked(keccak256(abi.encodePacked(slot))), nodes).decodeUint256()
            );
    }

    /// @notice The word in a slot of a contract; never zero.
    function slotOf(Place memory place, bytes32 slot, bytes[] memory nodes) internal pure returns (bytes32) {
        return word(storageRoot(place), slot, nodes);
    }

    /// @notice Slot of a mapping's entry.
    function entry(bytes32 key, uint256 mappingSlot) internal pure returns (bytes32) {
        return keccak256(abi.encode(key, mappingSlot));
    }

    /// @notice Digest of the header that stands for a round in a round manager.
    /// @param place The round manager in a block.
    /// @param headNodes Nodes to its head: a voided round leaves its digest behind, and only the head says so.
    /// @param digestNodes Nodes to the round's digest.
    function roundDigest(Place memory place, uint64 round, bytes[] memory headNodes, bytes[] memory digestNodes)
        internal
        pure
        returns (bytes32)
    {
        bytes32 root = storageRoot(place);
        uint64 latest = uint64(uint256(word(root, bytes32(HEAD), headNodes)));
        if (round == 0 || round > latest) revert RoundNotThere(latest, round);
        return word(root, entry(bytes32(uint256(round)), DIGESTS), digestNodes);
    }

    /// @notice An event.
    /// @param trusted The block's hash.
    /// @param header The block's header in RLP.
    /// @param transaction Place of its transaction in the block.
    /// @param nodes Nodes from the block's receipts root to the transaction's receipt.
    /// @param index Place of the event in the receipt.
    function logOf(bytes32 trusted, bytes memory header, uint256 transaction, bytes[] memory nodes, uint256 index)
        internal
        pure
        returns (Log memory log)
    {
        (, bytes32 receiptsRoot) = open(trusted, header);
        Memory.Slice receipt = TrieProof.traverse(receiptsRoot, RLP.encode(transaction), nodes).asSlice();
        uint8 kind = uint8(bytes1(receipt.load(0)));
        if (kind < FIRST_LIST) {
            // EIP-2718: a byte that names the kind stands before the list.
            if (kind == 0 || kind > LAST_TYPE) revert MalformedReceipt(kind);
            receipt = receipt.slice(1);
        }
        Memory.Slice[] memory fields = receipt.readList();
        if (fields.length != RECEIPT_FIELDS) revert MalformedReceipt(kind);
        Memory.Slice[] memory logs = fields[LOGS].readList();
        if (index >= logs.length) revert NoSuchLog(logs.length, index);
        fields = logs[index].readList();
        if (fields.length != LOG_FIELDS) revert MalformedLog(fields.length);
        log.emitter = fields[0].readAddress();
        log.data = fields[2].readBytes();
        Memory.Slice[] memory topics = fields[1].readList();
        log.topics = new bytes32[](topics.length);
        for (uint256 i = 0; i < topics.length; ++i) {
            log.topics[i] = topics[i].readBytes32();
        }
    }
}
