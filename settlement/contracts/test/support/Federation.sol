// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {FederationRegistry} from "../../src/FederationRegistry.sol";
import {RewardDistributor} from "../../src/RewardDistributor.sol";
import {RoundManager} from "../../src/RoundManager.sol";
import {StakeVault} from "../../src/StakeVault.sol";
import {XflToken} from "../../src/XflToken.sol";
import {IFederationRegistry} from "../../src/interfaces/IFederationRegistry.sol";
import {Binding} from "../../src/types/Binding.sol";
import {Claim, Entry, Leaf} from "../../src/types/Reward.sol";
import {RoundHeader} from "../../src/types/RoundHeader.sol";
import {RoundTerms} from "../../src/types/RoundTerms.sol";
import {Hashes} from "./Hashes.sol";
import {Test} from "./Test.sol";
import {Trees} from "./Trees.sol";

/// @notice A federation of five members with a threshold of three, and one funded distributor on its home chain.
abstract contract Federation is Test {
    /// @notice Everything that proofs are made from: one round's reward tree.
    struct Settlement {
        Entry[] entries;
        Leaf[] leaves;
    }

    bytes32 internal constant FEDERATION = keccak256("federation under test");
    uint256 internal constant COORDINATOR_KEY = 0xC00D1E;
    address internal immutable COORDINATOR = vm.addr(COORDINATOR_KEY);
    address internal constant TREASURY = address(0x7EA5);
    uint256 internal constant HOME_CHAIN = 31_337;
    uint256 internal constant OTHER_CHAIN = 4_242;
    uint256 internal constant MEMBERS = 5;
    uint256 internal constant THRESHOLD = 3;
    uint256 internal constant CAP = 1_000 ether;
    uint64 internal constant DELAY = 1 hours;
    uint64 internal constant TIMELOCK = 2 hours;
    uint64 internal constant ANSWER = 30 minutes;
    uint256 internal constant BOND = 0.1 ether;
    uint256 internal constant PENALTY = 40 ether;
    uint64 internal constant UNBONDING = 3 hours;
    address internal constant SINK = address(0x51A5);
    uint256 internal constant FUNDS = 10_000 ether;

    FederationRegistry internal registry;
    RoundManager internal manager;
    XflToken internal token;
    RewardDistributor internal distributor;
    StakeVault internal vault;
    /// @dev Token of `distributor`: `token`, unless a test puts another one in its place.
    address internal paidIn;
    Hashes internal hashes;

    /// @dev Private keys in ascending order of their addresses.
    uint256[] internal keys;

    function setUp() public virtual {
        vm.chainId(HOME_CHAIN);
        vm.warp(1_800_000_000);
        hashes = new Hashes();
        registry = new FederationRegistry(FEDERATION, COORDINATOR, THRESHOLD, TIMELOCK, false);
        manager = new RoundManager(terms(registry));
        token = new XflToken("Federation reward", "FR", TREASURY, 1_000_000 ether);
        payIn(address(token));
        for (uint256 i = 0; i < MEMBERS; ++i) {
            insertKey(uint256(keccak256(abi.encode("member", i))));
        }
        for (uint256 i = 0; i < MEMBERS; ++i) {
            admit(i);
        }
        vm.warp(vm.getBlockTimestamp() + TIMELOCK);
        fund(FUNDS);
        vault = new StakeVault(manager, token, UNBONDING, SINK);
        vm.prank(COORDINATOR);
        manager.attachVault(vault);
    }

    function terms(IFederationRegistry members) internal pure returns (RoundTerms memory) {
        return RoundTerms({
            registry: members,
            perRoundCap: CAP,
            activationDelay: DELAY,
            answerTime: ANSWER,
            demandBond: BOND,
            penalty: PENALTY
        });
    }

    function insertKey(uint256 key) internal {
        keys.push(key);
        for (uint256 i = keys.length - 1; i > 0 && vm.addr(keys[i - 1]) > vm.addr(keys[i]); --i) {
            (keys[i - 1], keys[i]) = (keys[i], keys[i - 1]);
        }
    }

    // Members

    function memberOf(uint256 i) internal view returns (address) {
        return vm.addr(keys[i]);
    }

    function nodeKeyOf(uint256 i) internal pure returns (bytes32) {
        return keccak256(abi.encode("node key", i));
    }

    function bindingOf(uint256 i) internal view returns (Binding memory) {
        return Binding({
            federation: FEDERATION,
            nodeKey: nodeKeyOf(i),
            payout: memberOf(i),
            chainId: uint64(HOME_CHAIN),
            nonce: 1,
            expiry: uint64(vm.getBlockTimestamp() + 1 days)
        });
    }

    function nodeSignature() internal pure returns (bytes memory) {
        return abi.encodePacked(keccak256("ed25519 r"), keccak256("ed25519 s"));
    }

    function admit(uint256 i) internal {
        admit(i, 1);
    }

    function admit(uint256 i, uint64 nonce) internal {
        Binding memory binding = bindingOf(i);
        binding.nonce = nonce;
        bytes memory signature = signWith(keys[i], registry.bindingDigest(binding));
        vm.prank(COORDINATOR);
        registry.admit(binding, signature, nodeSignature());
    }

    function signWith(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    // Rounds

    function nextHeader(bytes32 rewardRoot, uint256 budget) internal view returns (RoundHeader memory) {
        uint64 latest = manager.latestRound();
        return RoundHeader({
            federation: FEDERATION,
            round: latest + 1,
            planHash: keccak256("plan"),
            parent: manager.headerDigest(latest),
            modelRoot: keccak256(abi.encode("model", latest)),
            rowRoot: keccak256(abi.encode("rows", latest)),
            aggregateRoot: keccak256(abi.encode("aggregate", latest)),
            transcriptRoot: keccak256(abi.encode("transcript", latest)),
            rewardRoot: rewardRoot,
            cumulativeBudget: budget,
            cohort: uint32(MEMBERS),
            dimension: 582_026,
            rule: 1,
            ruleParameter: 0,
            inputRoot: keccak256(abi.encode("inputs", latest)),
            attempt: 0
        });
    }

    function latestBudget() internal view returns (uint256 budget) {
        (budget,) = manager.latestBudget();
    }

    /// @notice Signatures of members `first` to `first + count - 1`.
    function signaturesOf(RoundHeader memory header, uint256 first, uint256 count)
        internal
        view
        returns (bytes[] memory signatures)
    {
        bytes32 digest = manager.digestOf(header);
        signatures = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            signatures[i] = signWith(keys[first + i], digest);
        }
    }

    /// @notice Signatures as `postRound` takes them.
    function packed(bytes[] memory signatures) internal pure returns (bytes memory all) {
        for (uint256 i = 0; i < signatures.length; ++i) {
            all = bytes.concat(all, bytes2(uint16(signatures[i].length)), signatures[i]);
        }
    }

    function post(RoundHeader memory header) internal {
        manager.postRound(header, packed(signaturesOf(header, 0, THRESHOLD)));
    }

    /// @notice Posts a round with this root and budget, and waits until it is active.
    function settle(bytes32 rewardRoot, uint256 budget) internal returns (RoundHeader memory header) {
        header = nextHeader(rewardRoot, budget);
        post(header);
        vm.warp(vm.getBlockTimestamp() + DELAY);
    }

    // Money

    function fund(uint256 amount) internal returns (uint256) {
        vm.prank(TREASURY);
        // Not through IERC20: a token that returns nothing is none.
        (bool approved,) = paidIn.call(abi.encodeCall(IERC20.approve, (address(distributor), amount)));
        assertTrue(approved, "approved");
        vm.prank(TREASURY);
        return distributor.fund(amount);
    }

    // Rewards

    function leafOf(bytes32 participant, address payout, uint256 cumulative) internal view returns (Leaf memory) {
        return Leaf({
            federation: FEDERATION,
            participant: participant,
            payout: payout,
            chainId: HOME_CHAIN,
            distributor: address(distributor),
            token: paidIn,
            cumulative: cumulative
        });
    }

    /// @notice One leaf for each member, on the home chain; an entry of another chain stands left of the home chain's.
    function settlementOf(uint256[] memory cumulative) internal view returns (Settlement memory s) {
        Leaf[] memory leaves = new Leaf[](cumulative.length);
        for (uint256 i = 0; i < cumulative.length; ++i) {
            leaves[i] =
                leafOf(nodeKeyOf(i), i < keys.length ? memberOf(i) : address(uint160(0x1000 + i)), cumulative[i]);
        }
        return settlementOf(leaves);
    }

    function settlementOf(Leaf[] memory leaves) internal view returns (Settlement memory s) {
        s.leaves = leaves;
        uint256 sum = 0;
        for (uint256 i = 0; i < leaves.length; ++i) {
            sum += leaves[i].cumulative;
        }
        s.entries = new Entry[](2);
        s.entries[0] = Entry(OTHER_CHAIN, address(0xD157), address(0x70CE), keccak256("elsewhere"), 1 ether);
        s.entries[1] = Entry(HOME_CHAIN, address(distributor), paidIn, Trees.root(leafHashes(s)), sum);
    }

    function leafHashes(Settlement memory s) internal view returns (bytes32[] memory list) {
        list = new bytes32[](s.leaves.length);
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = hashes.leaf(s.leaves[i]);
        }
    }

    function entryHashes(Settlement memory s) internal view returns (bytes32[] memory list) {
        list = new bytes32[](s.entries.length);
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = hashes.entry(s.entries[i]);
        }
    }

    function rootOf(Settlement memory s) internal view returns (bytes32) {
        return Trees.root(entryHashes(s));
    }

    function budgetOf(Settlement memory s) internal pure returns (uint256 sum) {
        for (uint256 i = 0; i < s.entries.length; ++i) {
            sum += s.entries[i].cumulativeBudget;
        }
    }

    /// @notice Posts a round, waits until it is active, and opens it for claims.
    function settle(Settlement memory s) internal returns (uint64) {
        RoundHeader memory header = settle(rootOf(s), budgetOf(s));
        open(header, s);
        return header.round;
    }

    function open(RoundHeader memory header, Settlement memory s) internal {
        distributor.open(header, s.entries[1], 1, Trees.proof(entryHashes(s), 1));
    }

    /// @notice The claim of leaf `i` under the home chain's entry.
    function claimOf(uint64 round, Settlement memory s, uint256 i) internal view returns (Claim memory) {
        Leaf memory l = s.leaves[i];
        return Claim({
            round: round,
            participant: l.participant,
            payout: l.payout,
            cumulative: uint128(l.cumulative),
            index: i,
            proof: Trees.proof(leafHashes(s), i)
        });
    }

    function submit(Claim memory c) internal returns (uint256) {
        return distributor.claim(c);
    }

    /// @notice The claim must revert with exactly this error.
    function refuse(Claim memory c, bytes memory fault) internal {
        vm.expectRevert(fault);
        submit(c);
    }

    function numbers(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory list) {
        list = new uint256[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }

    /// @notice From now on `distributor` is a new one that pays in this token.
    function payIn(address other) internal {
        paidIn = other;
        distributor = new RewardDistributor(manager, IERC20(other));
    }
}
