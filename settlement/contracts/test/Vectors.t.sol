// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {FederationDomain} from "../src/libraries/FederationDomain.sol";
import {Binding} from "../src/types/Binding.sol";
import {Entry, Leaf} from "../src/types/Reward.sol";
import {Input, REFUSED, Receipt} from "../src/types/Input.sol";
import {RoundHeader} from "../src/types/RoundHeader.sol";
import {Hashes} from "./support/Hashes.sol";
import {InputHash} from "./support/InputHash.sol";
import {Json} from "./support/Json.sol";
import {Reference} from "./support/Reference.sol";
import {Test} from "./support/Test.sol";
import {Trees} from "./support/Trees.sol";

/// @notice Known answers that every other implementation of these hashes must give as well: `test/vectors.json`.
/// @dev Each hash is computed twice: by the contracts' code and here from its definition. `XFL_WRITE_VECTORS=true` rewrites
/// the file; changing it changes the protocol.
contract VectorsTest is Test {
    using Json for string;

    string private constant PATH = "test/vectors.json";
    uint256 private constant HOME_CHAIN = 31_337;
    uint256 private constant OTHER_CHAIN = 4_242;
    bytes32 private constant FEDERATION = keccak256("xfl vectors: federation");
    address private constant REGISTRY = 0x1111111111111111111111111111111111111111;
    address private constant MANAGER = 0x2222222222222222222222222222222222222222;
    address private constant DISTRIBUTOR = 0x3333333333333333333333333333333333333333;
    address private constant FIRST_PAYOUT = 0x5555555555555555555555555555555555555555;
    address private constant TOKEN = 0x4444444444444444444444444444444444444444;

    Hashes private hashes;

    function setUp() public {
        hashes = new Hashes();
    }

    function test_vectorsAreAsCommitted() public {
        string memory made = Json.object().field("binding", bindingVector()).field("roundHeader", headerVector())
            .field("entry", entryVector(entryOf(keccak256("xfl vectors: chain root"), 1_500)))
            .field("leaf", leafVector(leafOf(0))).field("tree", treeVector()).field("round", roundVector())
            .field("receipt", receiptVector()).close();
        made = string.concat(made, "\n");
        if (vm.envOr("XFL_WRITE_VECTORS", false)) {
            vm.writeFile(PATH, made);
        }
        assertEq(keccak256(bytes(vm.readFile(PATH))), keccak256(bytes(made)), PATH);
    }

    // Signed structures

    function domainOf(address home) private pure returns (bytes32 separator, string memory json) {
        bytes32 domainSalt = keccak256(abi.encode(HOME_CHAIN, home, FEDERATION));
        separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,bytes32 salt)"),
                keccak256("xfl"),
                keccak256("1"),
                domainSalt
            )
        );
        assertEq(FederationDomain.separator(HOME_CHAIN, home, FEDERATION), separator, "domain separator");
        json = Json.object().text("name", "xfl").text("version", "1").text("homeChainId", vm.toString(HOME_CHAIN))
            .text("home", vm.toString(home)).text("federation", vm.toString(FEDERATION))
            .text("salt", vm.toString(domainSalt)).text("separator", vm.toString(separator)).close();
    }

    function signedVector(address home, string memory input, bytes32 typeHash, bytes32 structHash)
        private
        pure
        returns (string memory)
    {
        (bytes32 separator, string memory domain) = domainOf(home);
        bytes32 digest = keccak256(bytes.concat(hex"1901", separator, structHash));
        assertEq(MessageHashUtils.toTypedDataHash(separator, structHash), digest, "digest");
        return Json.object().field("domain", domain).field("input", input).text("typeHash", vm.toString(typeHash))
            .text("structHash", vm.toString(structHash)).text("digest", vm.toString(digest)).close();
    }

    function bindingVector() private view returns (string memory) {
        Binding memory b = Binding({
            federation: FEDERATION,
            nodeKey: keccak256("xfl vectors: node key"),
            payout: FIRST_PAYOUT,
            chainId: uint64(OTHER_CHAIN),
            nonce: 7,
            expiry: 1_900_000_000
        });
        bytes32 typeHash = keccak256(
            "Binding(bytes32 federation,bytes32 nodeKey,address payout,uint64 chainId,uint64 nonce,uint64 expiry)"
        );
        bytes32 structHash =
            keccak256(abi.encode(typeHash, b.federation, b.nodeKey, b.payout, b.chainId, b.nonce, b.expiry));
        assertEq(hashes.binding(b), structHash, "binding");
        string memory input = Json.object().text("federation", vm.toString(b.federation))
            .text("nodeKey", vm.toString(b.nodeKey)).text("payout", vm.toString(b.payout))
            .text("chainId", vm.toString(uint256(b.chainId))).text("nonce", vm.toString(uint256(b.nonce)))
            .text("expiry", vm.toString(uint256(b.expiry))).close();
        return signedVector(REGISTRY, input, typeHash, structHash);
    }

    function headerVector() private view returns (string memory) {
        RoundHeader memory h = RoundHeader({
            federation: FEDERATION,
            round: 3,
            planHash: keccak256("xfl vectors: plan"),
            parent: keccak256("xfl vectors: parent"),
            modelRoot: keccak256("xfl vectors: model"),
            rowRoot: keccak256("xfl vectors: rows"),
            aggregateRoot: keccak256("xfl vectors: aggregate"),
            transcriptRoot: keccak256("xfl vectors: transcript"),
            rewardRoot: keccak256("xfl vectors: rewards"),
            cumulativeBudget: 3_000_000_000_000_000_000_000,
            cohort: 5,
            dimension: 582_026,
            rule: 3,
            ruleParameter: bytes32(uint256(1)),
            inputRoot: keccak256("xfl vectors: inputs"),
            attempt: 2
        });
        bytes32 typeHash = keccak256(
            "RoundHeader(bytes32 federation,uint64 round,bytes32 planHash,bytes32 parent,bytes32 modelRoot,bytes32 rowRoot,bytes32 aggregateRoot,bytes32 transcriptRoot,bytes32 rewardRoot,uint256 cumulativeBudget,uint32 cohort,uint64 dimension,uint8 rule,bytes32 ruleParameter,bytes32 inputRoot,uint32 attempt)"
        );
        bytes32 structHash = keccak256(
            bytes.concat(
                abi.encode(typeHash, h.federation, h.round, h.planHash, h.parent, h.modelRoot, h.rowRoot),
                abi.encode(h.aggregateRoot, h.transcriptRoot, h.rewardRoot, h.cumulativeBudget),
                abi.encode(h.cohort, h.dimension, h.rule, h.ruleParameter, h.inputRoot, h.attempt)
            )
        );
        assertEq(hashes.roundHeader(h), structHash, "round header");
        return signedVector(MANAGER, headerInput(h), typeHash, structHash);
    }

    function headerInput(RoundHeader memory h) private pure returns (string memory) {
        return Json.object().text("federation", vm.toString(h.federation)).text("round", vm.toString(uint256(h.round)))
            .text("planHash", vm.toString(h.planHash)).text("parent", vm.toString(h.parent))
            .text("modelRoot", vm.toString(h.modelRoot)).text("rowRoot", vm.toString(h.rowRoot))
            .text("aggregateRoot", vm.toString(h.aggregateRoot)).text("transcriptRoot", vm.toString(h.transcriptRoot))
            .text("rewardRoot", vm.toString(h.rewardRoot)).text("cumulativeBudget", vm.toString(h.cumulativeBudget))
            .text("cohort", vm.toString(uint256(h.cohort))).text("dimension", vm.toString(uint256(h.dimension)))
            .text("rule", vm.toString(uint256(h.rule))).text("ruleParameter", vm.toString(h.ruleParameter))
            .text("inputRoot", vm.toString(h.inputRoot)).text("attempt", vm.toString(uint256(h.attempt))).close();
    }

    // Reward tree

    function entryOf(bytes32 chainRoot, uint256 budget) private pure returns (Entry memory) {
        return Entry(OTHER_CHAIN, DISTRIBUTOR, TOKEN, chainRoot, budget);
    }

    function leafOf(uint256 i) private pure returns (Leaf memory) {
        return Leaf({
            federation: FEDERATION,
            participant: keccak256(abi.encode("xfl vectors: participant", i)),
            payout: address(uint160(uint256(uint160(FIRST_PAYOUT)) + i)),
            chainId: OTHER_CHAIN,
            distributor: DISTRIBUTOR,
            token: TOKEN,
            cumulative: 500 * (i + 1)
        });
    }

    function entryVector(Entry memory e) private view returns (string memory) {
        bytes32 inner = keccak256(
            abi.encode(keccak256("xfl.entry.v1"), e.chainId, e.distributor, e.token, e.chainRoot, e.cumulativeBudget)
        );
        bytes32 hash = keccak256(bytes.concat(inner));
        assertEq(hashes.entry(e), hash, "entry");
        string memory input = Json.object().text("chainId", vm.toString(e.chainId))
            .text("distributor", vm.toString(e.distributor)).text("token", vm.toString(e.token))
            .text("chainRoot", vm.toString(e.chainRoot)).text("cumulativeBudget", vm.toString(e.cumulativeBudget))
            .close();
        return Json.object().field("input", input).text("hash", vm.toString(hash)).close();
    }

    function leafVector(Leaf memory l) private view returns (string memory) {
        bytes32 inner = keccak256(
            abi.encode(
                keccak256("xfl.leaf.v1"),
                l.federation,
                l.participant,
                l.payout,
                l.chainId,
                l.distributor,
                l.token,
                l.cumulative
            )
        );
        bytes32 hash = keccak256(bytes.concat(inner));
        assertEq(hashes.leaf(l), hash, "leaf");
        string memory input = Json.object().text("federation", vm.toString(l.federation))
            .text("participant", vm.toString(l.participant)).text("payout", vm.toString(l.payout))
            .text("chainId", vm.toString(l.chainId)).text("distributor", vm.toString(l.distributor))
            .text("token", vm.toString(l.token)).text("cumulative", vm.toString(l.cumulative)).close();
        return Json.object().field("input", input).text("hash", vm.toString(hash)).close();
    }

    /// @dev Three leaves (width four, one place empty) under one entry, which alone is the reward tree (depth zero).
    function treeVector() private view returns (string memory) {
        bytes32[] memory list = new bytes32[](3);
        string memory leaves = Json.array();
        for (uint256 i = 0; i < 3; ++i) {
            Leaf memory l = leafOf(i);
            list[i] = hashes.leaf(l);
            leaves = leaves.item(leafVector(l));
        }
        bytes32 a = keccak256(bytes.concat(hex"01", list[0], list[1]));
        bytes32 b = keccak256(bytes.concat(hex"01", list[2], bytes32(0)));
        bytes32 chainRoot = keccak256(bytes.concat(hex"01", a, b));
        string memory proofs = Json.array();
        for (uint256 i = 0; i < 3; ++i) {
            bytes32[] memory proof = Trees.proof(list, i);
            assertEq(hashes.root(list[i], i, proof), chainRoot, "proof");
            string memory siblings = Json.array();
            for (uint256 j = 0; j < proof.length; ++j) {
                siblings = siblings.item(Json.quoted(vm.toString(proof[j])));
            }
            proofs = proofs.item(siblings.closeArray());
        }
        Entry memory e = entryOf(chainRoot, 500 + 1_000 + 1_500);
        return Json.object().field("leaves", leaves.closeArray()).field("proofs", proofs.closeArray())
            .text("chainRoot", vm.toString(chainRoot)).field("entry", entryVector(e))
            .text("rewardRoot", vm.toString(hashes.root(hashes.entry(e), 0, new bytes32[](0)))).close();
    }

    // What a round is proved from

    /// @dev Two members, ten coordinates (two chunks, the second filled with zeros), one update refused.
    function roundVector() private returns (string memory) {
        int32[10][2] memory updates = [
            [int32(1), -1, 2, type(int32).min, type(int32).max, 0, 7, -7, 3, -3],
            [int32(4), -4, 3, type(int32).max, type(int32).max, 5, -8, -8, 2, -6]
        ];
        int32[10] memory median = [int32(2), -3, 2, -1, type(int32).max, 2, -1, -8, 2, -5];
        string memory json = Json.object().field("updates", rows(updates)).field("median", numbers(median));
        bytes32[] memory rowLeaves = new bytes32[](2);
        bytes32[] memory aggregateLeaves = new bytes32[](2);
        bytes32[] memory commitment = new bytes32[](2);
        for (uint256 k = 0; k < 2; ++k) {
            bytes memory row = bytes.concat(chunk(updates[0], k), chunk(updates[1], k));
            rowLeaves[k] = keccak256(bytes.concat(hex"00", keccak256(row)));
            aggregateLeaves[k] = keccak256(bytes.concat(hex"00", keccak256(bytes.concat(chunk(median, k)))));
            commitment[k] = keccak256(abi.encodePacked(uint8(2), salt(k), chunk(updates[0], k)));
        }
        checkRedone(updates, median);
        return inputs(
            json.text("rowRoot", vm.toString(Trees.root(rowLeaves)))
                .text("aggregateRoot", vm.toString(Trees.root(aggregateLeaves))),
            Trees.root(commitment)
        );
    }

    function inputs(string memory json, bytes32 commitment) private returns (string memory) {
        InputHash tree = new InputHash();
        Input[] memory list = new Input[](3);
        list[0] = Input(bytes32(uint256(1)), commitment, 0);
        list[1] = Input(bytes32(uint256(2)), keccak256("xfl vectors: refused"), REFUSED);
        list[2] = Input(bytes32(uint256(3)), keccak256("xfl vectors: second"), 1);
        bytes32[] memory leaves = new bytes32[](3);
        string memory listed = Json.array();
        for (uint256 i = 0; i < 3; ++i) {
            leaves[i] = tree.leaf(3, list[i]);
            assertEq(
                leaves[i],
                keccak256(
                    bytes.concat(
                        keccak256(
                            abi.encode(
                                keccak256("xfl.input.v1"),
                                uint256(3),
                                list[i].nodeKey,
                                list[i].commitment,
                                uint256(list[i].position)
                            )
                        )
                    )
                ),
                "input"
            );
            listed = listed.item(
                Json.object().text("nodeKey", vm.toString(list[i].nodeKey))
                    .text("commitment", vm.toString(list[i].commitment))
                    .text("position", vm.toString(uint256(list[i].position))).close()
            );
        }
        return json.text("commitment", vm.toString(commitment)).text("salt0", vm.toString(abi.encodePacked(salt(0))))
            .text("salt1", vm.toString(abi.encodePacked(salt(1)))).field("inputs", listed.closeArray())
            .text("inputRoot", vm.toString(Trees.root(leaves))).close();
    }

    /// @dev The median written down here is what sorting gives; `DisputesTest` compares the contract with that.
    function checkRedone(int32[10][2] memory updates, int32[10] memory median) private pure {
        for (uint256 k = 0; k < 10; ++k) {
            int32[] memory column = new int32[](2);
            (column[0], column[1]) = (updates[0][k], updates[1][k]);
            assertEq(uint256(Reference.result(2, 0, column, new uint64[](2))), uint256(int256(median[k])), "median");
        }
    }

    function receiptVector() private returns (string memory) {
        Receipt memory r =
            Receipt(FEDERATION, 3, 1, keccak256("xfl vectors: node key"), keccak256("xfl vectors: commitment"));
        bytes32 typeHash =
            keccak256("Receipt(bytes32 federation,uint64 round,uint32 attempt,bytes32 nodeKey,bytes32 commitment)");
        bytes32 structHash = keccak256(abi.encode(typeHash, r.federation, r.round, r.attempt, r.nodeKey, r.commitment));
        assertEq(new InputHash().receipt(r), structHash, "receipt");
        string memory input = Json.object().text("federation", vm.toString(r.federation))
            .text("round", vm.toString(uint256(r.round))).text("attempt", vm.toString(uint256(r.attempt)))
            .text("nodeKey", vm.toString(r.nodeKey)).text("commitment", vm.toString(r.commitment)).close();
        return signedVector(MANAGER, input, typeHash, structHash);
    }

    function salt(uint256 k) private pure returns (bytes16) {
        return bytes16(keccak256(abi.encode("xfl vectors: salt", k)));
    }

    function chunk(int32[10] memory values, uint256 k) private pure returns (bytes32 packed) {
        for (uint256 j = 8 * k; j < 10 && j < 8 * k + 8; ++j) {
            packed |= bytes32(uint256(uint32(values[j])) << (224 - 32 * (j % 8)));
        }
    }

    function rows(int32[10][2] memory updates) private pure returns (string memory) {
        return Json.array().item(numbers(updates[0])).item(numbers(updates[1])).closeArray();
    }

    function numbers(int32[10] memory values) private pure returns (string memory list) {
        list = Json.array();
        for (uint256 i = 0; i < 10; ++i) {
            list = list.item(vm.toString(int256(values[i])));
        }
        list = list.closeArray();
    }
}
