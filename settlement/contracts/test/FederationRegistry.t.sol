// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FederationRegistry} from "../src/FederationRegistry.sol";
import {IFederationRegistry} from "../src/interfaces/IFederationRegistry.sol";
import {FederationDomain} from "../src/libraries/FederationDomain.sol";
import {Binding} from "../src/types/Binding.sol";
import {ContractWallet} from "./support/ContractWallet.sol";
import {Federation} from "./support/Federation.sol";

contract FederationRegistryTest is Federation {
    uint256 private constant NEW_KEY = 0xA11CE;

    function newBinding() private view returns (Binding memory) {
        return Binding({
            federation: FEDERATION,
            nodeKey: keccak256("newcomer"),
            payout: vm.addr(NEW_KEY),
            chainId: uint64(OTHER_CHAIN),
            nonce: 1,
            expiry: uint64(vm.getBlockTimestamp())
        });
    }

    function signed(Binding memory binding) private view returns (bytes memory) {
        return signWith(NEW_KEY, registry.bindingDigest(binding));
    }

    function refuse(Binding memory binding, bytes memory signature, bytes memory fault) private {
        vm.prank(COORDINATOR);
        vm.expectRevert(fault);
        registry.admit(binding, signature, nodeSignature());
    }

    function accept(Binding memory binding, bytes memory signature) private {
        vm.prank(COORDINATOR);
        registry.admit(binding, signature, nodeSignature());
    }

    function test_describesItself() public view {
        assertEq(registry.federation(), FEDERATION, "federation");
        assertEq(registry.coordinator(), COORDINATOR, "coordinator");
        assertEq(registry.threshold(), THRESHOLD, "threshold");
        assertEq(registry.timelock(), TIMELOCK, "timelock");
        assertTrue(!registry.embedded(), "embedded");
        assertEq(registry.memberCount(), MEMBERS, "members");
        assertEq(
            registry.domainSeparator(),
            FederationDomain.separator(HOME_CHAIN, address(registry), FEDERATION),
            "domain separator"
        );
    }

    function test_constructor_refusesZeroFederation() public {
        vm.expectRevert(abi.encodeWithSelector(IFederationRegistry.ZeroFederation.selector));
        new FederationRegistry(0, COORDINATOR, 2, TIMELOCK, false);
    }

    function test_constructor_refusesZeroCoordinator() public {
        vm.expectRevert(abi.encodeWithSelector(IFederationRegistry.ZeroCoordinator.selector));
        new FederationRegistry(FEDERATION, address(0), 2, TIMELOCK, false);
    }

    /// One stolen key must never be a quorum, except where all keys are on one machine anyway.
    function test_constructor_refusesThresholdOfOne() public {
        vm.expectRevert(abi.encodeWithSelector(IFederationRegistry.ThresholdTooLow.selector, 2, 1));
        new FederationRegistry(FEDERATION, COORDINATOR, 1, TIMELOCK, false);
        assertEq(new FederationRegistry(FEDERATION, COORDINATOR, 1, 0, true).threshold(), 1, "embedded threshold");
        vm.expectRevert(abi.encodeWithSelector(IFederationRegistry.ThresholdTooLow.selector, 1, 0));
        new FederationRegistry(FEDERATION, COORDINATOR, 0, 0, true);
    }

    function test_constructor_refusesTimelockOutOfRange() public {
        uint64 maximum = 90 days;
        bytes4 selector = IFederationRegistry.TimelockOutOfRange.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, 1, maximum, 0));
        new FederationRegistry(FEDERATION, COORDINATOR, 2, 0, false);
        vm.expectRevert(abi.encodeWithSelector(selector, 1, maximum, maximum + 1));
        new FederationRegistry(FEDERATION, COORDINATOR, 2, maximum + 1, false);
    }

    function strangerAmong(address account) private view returns (bool) {
        address[] memory accounts = new address[](2);
        (accounts[0], accounts[1]) = (memberOf(1), account);
        (uint256 threshold, uint256 stranger) = registry.countSigners(accounts);
        assertEq(threshold, THRESHOLD, "threshold");
        return stranger == 1;
    }

    /// A coordinator whose key is stolen can't make a quorum of strangers before the members have had the time to see it.
    function test_signers_countAfterTheTimelock() public {
        Binding memory binding = newBinding();
        uint64 from = uint64(vm.getBlockTimestamp()) + TIMELOCK;
        uint64 epoch = registry.signerEpoch();
        bytes memory signature = signed(binding);
        vm.expectEmit(true, true, true, true, address(registry));
        emit IFederationRegistry.SignersChanged(epoch + 1, binding.payout, from);
        accept(binding, signature);
        assertEq(registry.signsFrom(binding.payout), from, "signs from");
        assertEq(registry.signerEpoch(), epoch + 1, "epoch");
        assertTrue(registry.isMember(binding.payout), "member");
        vm.warp(from - 1);
        assertTrue(strangerAmong(binding.payout), "too early");
        vm.warp(from);
        assertTrue(!strangerAmong(binding.payout), "in time");
    }

    /// Founders sign at once; removing everyone doesn't make a second foundation.
    function test_signers_foundersSignAtOnceAndOnlyOnce() public {
        for (uint256 i = 0; i < MEMBERS; ++i) {
            bool founder = i < THRESHOLD;
            uint256 admitted = vm.getBlockTimestamp() - TIMELOCK;
            assertEq(registry.signsFrom(memberOf(i)), founder ? admitted : admitted + TIMELOCK, "signs from");
        }
        assertTrue(registry.founded(), "founded");
        for (uint256 i = 0; i < MEMBERS; ++i) {
            vm.prank(COORDINATOR);
            registry.remove(nodeKeyOf(i));
        }
        Binding memory binding = newBinding();
        accept(binding, signed(binding));
        assertEq(registry.signsFrom(binding.payout), vm.getBlockTimestamp() + TIMELOCK, "no founder");
    }

    /// A stolen key must go at once, and a binding to another chain isn't another signer.
    function test_signers_goAtOnceAndStayOverARebind() public {
        Binding memory binding = bindingOf(0);
        (binding.chainId, binding.nonce) = (uint64(OTHER_CHAIN), 2);
        uint64 from = registry.signsFrom(memberOf(0));
        uint64 epoch = registry.signerEpoch();
        accept(binding, signWith(keys[0], registry.bindingDigest(binding)));
        assertEq(registry.signsFrom(memberOf(0)), from, "same address");
        assertEq(registry.signerEpoch(), epoch, "same epoch");
        (binding.payout, binding.nonce) = (vm.addr(NEW_KEY), 3);
        accept(binding, signed(binding));
        assertEq(registry.signsFrom(memberOf(0)), 0, "old address");
        assertEq(registry.signsFrom(binding.payout), vm.getBlockTimestamp() + TIMELOCK, "new address");
        assertEq(registry.signerEpoch(), epoch + 2, "one left, one came");
        vm.prank(COORDINATOR);
        registry.remove(nodeKeyOf(0));
        assertEq(registry.signsFrom(binding.payout), 0, "removed");
        assertTrue(strangerAmong(binding.payout), "removed");
    }

    function test_admit_bindsBothWays() public {
        Binding memory binding = newBinding();
        bytes memory signature = signed(binding);
        vm.expectEmit(true, true, true, true, address(registry));
        emit IFederationRegistry.MemberAdmitted(
            binding.nodeKey,
            binding.payout,
            address(0),
            binding.chainId,
            binding.nonce,
            binding.expiry,
            signature,
            nodeSignature()
        );
        accept(binding, signature);
        assertTrue(registry.isMember(binding.payout), "member");
        assertEq(registry.payoutOf(binding.nodeKey), binding.payout, "payout");
        assertEq(registry.nodeKeyOf(binding.payout), binding.nodeKey, "node key");
        assertEq(registry.payoutChainOf(binding.nodeKey), OTHER_CHAIN, "chain");
        assertEq(registry.nonceOf(binding.nodeKey), 1, "nonce");
        assertEq(registry.memberCount(), MEMBERS + 1, "members");
    }

    function test_admit_refusesOthersThanTheCoordinator() public {
        Binding memory binding = newBinding();
        bytes memory signature = signed(binding);
        vm.expectRevert(abi.encodeWithSelector(IFederationRegistry.NotCoordinator.selector, COORDINATOR, address(this)));
        registry.admit(binding, signature, nodeSignature());
    }

    function test_admit_refusesAnotherFederation() public {
        Binding memory binding = newBinding();
        binding.federation = keccak256("another");
        refuse(
            binding,
            signed(binding),
            abi.encodeWithSelector(IFederationRegistry.WrongFederation.selector, FEDERATION, binding.federation)
        );
    }

    function test_admit_refusesIncompleteBindings() public {
        Binding memory binding = newBinding();
        binding.nodeKey = 0;
        refuse(binding, signed(binding), incomplete(binding));
        binding = newBinding();
        binding.payout = address(0);
        refuse(binding, signed(binding), incomplete(binding));
        binding = newBinding();
        binding.chainId = 0;
        refuse(binding, signed(binding), incomplete(binding));
    }

    function incomplete(Binding memory binding) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IFederationRegistry.IncompleteBinding.selector, binding.nodeKey, binding.payout, binding.chainId
        );
    }

    function test_admit_refusesExpiredBinding() public {
        Binding memory binding = newBinding();
        binding.expiry = uint64(vm.getBlockTimestamp() - 1);
        refuse(
            binding,
            signed(binding),
            abi.encodeWithSelector(IFederationRegistry.BindingExpired.selector, binding.expiry, vm.getBlockTimestamp())
        );
    }

    function test_admit_refusesNonceZero() public {
        Binding memory binding = newBinding();
        binding.nonce = 0;
        refuse(
            binding,
            signed(binding),
            abi.encodeWithSelector(IFederationRegistry.StaleNonce.selector, binding.nodeKey, 0, 0)
        );
    }

    function test_admit_refusesTakenPayout() public {
        Binding memory binding = newBinding();
        binding.payout = memberOf(2);
        bytes memory signature = signWith(keys[2], registry.bindingDigest(binding));
        refuse(
            binding,
            signature,
            abi.encodeWithSelector(IFederationRegistry.PayoutTaken.selector, memberOf(2), nodeKeyOf(2))
        );
    }

    function test_admit_refusesNodeSignatureOfOtherLength(uint256 word) public {
        uint256 length = bound(word, 0, 200);
        vm.assume(length != 64);
        Binding memory binding = newBinding();
        bytes memory signature = signed(binding);
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IFederationRegistry.NodeSignatureLength.selector, 64, length));
        registry.admit(binding, signature, new bytes(length));
    }

    function test_admit_refusesForeignOrBrokenPayoutSignature() public {
        Binding memory binding = newBinding();
        bytes32 digest = registry.bindingDigest(binding);
        bytes memory fault =
            abi.encodeWithSelector(IFederationRegistry.InvalidPayoutSignature.selector, binding.payout, digest);
        refuse(binding, signWith(keys[0], digest), fault);
        refuse(binding, "", fault);
        refuse(binding, new bytes(65), fault);
        // The other s of the same signature: valid on the curve, refused so that signatures can't be varied.
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(NEW_KEY, digest);
        bytes32 high = bytes32(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - uint256(s));
        refuse(binding, abi.encodePacked(r, high, v == 27 ? uint8(28) : uint8(27)), fault);
    }

    /// A binding for one deployment says nothing about another of the same federation, on this chain or elsewhere.
    function test_admit_refusesReplayFromAnotherDeployment() public {
        Binding memory binding = newBinding();
        bytes memory signature = signed(binding);
        FederationRegistry second = new FederationRegistry(FEDERATION, COORDINATOR, THRESHOLD, TIMELOCK, false);
        bytes32 digest = second.bindingDigest(binding);
        vm.prank(COORDINATOR);
        vm.expectRevert(
            abi.encodeWithSelector(IFederationRegistry.InvalidPayoutSignature.selector, binding.payout, digest)
        );
        second.admit(binding, signature, nodeSignature());
    }

    /// Whatever field is altered after signing, the signature no longer fits.
    function test_admit_refusesAlteredBinding(uint8 field, uint64 change) public {
        vm.assume(change != 0);
        Binding memory binding = newBinding();
        binding.expiry = type(uint64).max / 2;
        bytes memory signature = signed(binding);
        if (field % 4 == 0) binding.nodeKey = bytes32(uint256(binding.nodeKey) ^ change);
        else if (field % 4 == 1) binding.chainId = uint64(bound(change, OTHER_CHAIN + 1, type(uint64).max));
        else if (field % 4 == 2) binding.nonce = uint64(bound(change, 2, type(uint64).max));
        else binding.expiry = uint64(bound(change, type(uint64).max / 2 + 1, type(uint64).max));
        refuse(
            binding,
            signature,
            abi.encodeWithSelector(
                IFederationRegistry.InvalidPayoutSignature.selector, binding.payout, registry.bindingDigest(binding)
            )
        );
    }

    function test_admit_acceptsContractWallet() public {
        ContractWallet wallet = new ContractWallet(vm.addr(NEW_KEY));
        Binding memory binding = newBinding();
        binding.payout = address(wallet);
        bytes32 digest = registry.bindingDigest(binding);
        refuse(
            binding,
            signWith(keys[0], digest),
            abi.encodeWithSelector(IFederationRegistry.InvalidPayoutSignature.selector, address(wallet), digest)
        );
        accept(binding, signWith(NEW_KEY, digest));
        assertTrue(registry.isMember(address(wallet)), "member");
    }

    function test_rebind_movesThePayoutAddress() public {
        address before = memberOf(0);
        Binding memory binding = bindingOf(0);
        binding.payout = vm.addr(NEW_KEY);
        binding.chainId = uint64(OTHER_CHAIN);
        binding.nonce = 7;
        bytes memory signature = signed(binding);
        vm.expectEmit(true, true, true, true, address(registry));
        emit IFederationRegistry.MemberAdmitted(
            binding.nodeKey, binding.payout, before, binding.chainId, 7, binding.expiry, signature, nodeSignature()
        );
        accept(binding, signature);
        assertTrue(!registry.isMember(before), "old address");
        assertTrue(registry.isMember(binding.payout), "new address");
        assertEq(registry.nodeKeyOf(before), bytes32(0), "old address bound");
        assertEq(registry.memberCount(), MEMBERS, "members");
        refuse(
            binding, signature, abi.encodeWithSelector(IFederationRegistry.StaleNonce.selector, binding.nodeKey, 7, 7)
        );
    }

    function test_rebind_keepsTheSameAddressOnAnotherChain() public {
        Binding memory binding = bindingOf(0);
        binding.chainId = uint64(OTHER_CHAIN);
        binding.nonce = 2;
        accept(binding, signWith(keys[0], registry.bindingDigest(binding)));
        assertTrue(registry.isMember(memberOf(0)), "member");
        assertEq(registry.payoutChainOf(nodeKeyOf(0)), OTHER_CHAIN, "chain");
        assertEq(registry.memberCount(), MEMBERS, "members");
    }

    function test_remove_freesTheAddressButNotTheNonce() public {
        Binding memory binding = bindingOf(1);
        bytes memory signature = signWith(keys[1], registry.bindingDigest(binding));
        vm.expectEmit(true, true, true, true, address(registry));
        emit IFederationRegistry.MemberRemoved(nodeKeyOf(1), memberOf(1));
        vm.prank(COORDINATOR);
        registry.remove(nodeKeyOf(1));
        assertTrue(!registry.isMember(memberOf(1)), "member");
        assertEq(registry.payoutOf(nodeKeyOf(1)), address(0), "payout");
        assertEq(registry.payoutChainOf(nodeKeyOf(1)), 0, "chain");
        assertEq(registry.memberCount(), MEMBERS - 1, "members");
        // The old binding can't bring it back; a new one can.
        refuse(
            binding, signature, abi.encodeWithSelector(IFederationRegistry.StaleNonce.selector, binding.nodeKey, 1, 1)
        );
        binding.nonce = 2;
        accept(binding, signWith(keys[1], registry.bindingDigest(binding)));
        assertEq(registry.memberCount(), MEMBERS, "members again");
    }

    function test_remove_refusesUnknownAndForeign() public {
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IFederationRegistry.UnknownMember.selector, keccak256("nobody")));
        registry.remove(keccak256("nobody"));
        vm.expectRevert(abi.encodeWithSelector(IFederationRegistry.NotCoordinator.selector, COORDINATOR, address(this)));
        registry.remove(nodeKeyOf(0));
        vm.prank(COORDINATOR);
        registry.remove(nodeKeyOf(0));
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IFederationRegistry.UnknownMember.selector, nodeKeyOf(0)));
        registry.remove(nodeKeyOf(0));
    }
}
