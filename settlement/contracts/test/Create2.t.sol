// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {FederationRegistry} from "../src/FederationRegistry.sol";
import {RewardDistributor} from "../src/RewardDistributor.sol";
import {RoundManager} from "../src/RoundManager.sol";
import {RoundMirror} from "../src/RoundMirror.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {XflToken} from "../src/XflToken.sol";
import {IFederationRegistry} from "../src/interfaces/IFederationRegistry.sol";
import {Federation} from "./support/Federation.sol";

/// @notice Deployment through the deterministic deployment proxy that stands at one address on every chain (Arachnid's, which anvil and
/// hardhat have from the start): a contract's address follows from its code and arguments alone.
contract Create2Test is Federation {
    address private constant PROXY = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    bytes private constant PROXY_CODE =
        hex"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3";

    struct Suite {
        address registry;
        address manager;
        address mirror;
        address token;
        address distributor;
        address vault;
    }

    function deploy(bytes memory code) private returns (address made) {
        (bool done, bytes memory answer) = PROXY.call(bytes.concat(FEDERATION, code));
        assertTrue(done && answer.length == 20, "deployed");
        made = address(bytes20(answer));
        assertEq(made, predicted(code), "predicted");
    }

    function predicted(bytes memory code) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", PROXY, FEDERATION, keccak256(code))))));
    }

    function deployAll() private returns (Suite memory s) {
        vm.etch(PROXY, PROXY_CODE);
        s.registry = deploy(
            bytes.concat(
                type(FederationRegistry).creationCode, abi.encode(FEDERATION, COORDINATOR, THRESHOLD, TIMELOCK, false)
            )
        );
        // Home and mirror take each other's chain and address from their arguments, and those are the same everywhere.
        bytes memory manager =
            bytes.concat(type(RoundManager).creationCode, abi.encode(terms(IFederationRegistry(s.registry))));
        s.manager = predicted(manager);
        if (block.chainid == HOME_CHAIN) {
            assertEq(deploy(manager), s.manager, "manager");
            s.vault =
                deploy(bytes.concat(type(StakeVault).creationCode, abi.encode(s.manager, address(0), UNBONDING, SINK)));
        } else {
            s.mirror = deploy(
                bytes.concat(type(RoundMirror).creationCode, abi.encode(s.registry, HOME_CHAIN, s.manager, CAP, DELAY))
            );
        }
        s.token =
            deploy(bytes.concat(type(XflToken).creationCode, abi.encode("Reward", "R", TREASURY, uint256(1 ether))));
        address source = block.chainid == HOME_CHAIN ? s.manager : s.mirror;
        s.distributor = deploy(bytes.concat(type(RewardDistributor).creationCode, abi.encode(source, s.token)));
    }

    function test_addressesAreTheSameOnEveryChain() public {
        uint256 before = vm.snapshotState();
        Suite memory home = deployAll();
        assertEq(address(StakeVault(home.vault).manager()), home.manager, "vault");
        bytes32 domain = RoundManager(home.manager).domainSeparator();
        vm.revertToState(before);
        vm.chainId(OTHER_CHAIN);
        Suite memory first = deployAll();
        bytes32 mirrored = RoundMirror(first.mirror).domainSeparator();
        vm.revertToState(before);
        vm.chainId(OTHER_CHAIN + 1);
        Suite memory second = deployAll();

        assertEq(home.registry, first.registry, "registry");
        assertEq(home.token, first.token, "token");
        assertEq(home.manager, first.manager, "manager, as the mirrors name it");
        assertEq(mirrored, domain, "one domain");
        assertEq(first.mirror, second.mirror, "mirror");
        assertEq(first.distributor, second.distributor, "distributor of mirrors");
        assertEq(RoundMirror(second.mirror).domainSeparator(), domain, "signatures for one chain serve every chain");
    }

    /// A second deployment of the same thing has nowhere to go; what stands there is what was meant.
    function test_nobodyElseCanTakeAnAddress() public {
        Suite memory home = deployAll();
        bytes memory code = bytes.concat(type(RewardDistributor).creationCode, abi.encode(home.manager, home.token));
        (bool done,) = PROXY.call(bytes.concat(FEDERATION, code));
        assertTrue(!done, "twice");
        assertEq(address(RewardDistributor(payable(home.distributor)).source()), home.manager, "source");
        assertEq(RewardDistributor(payable(home.distributor)).token(), address(IERC20(home.token)), "token");
    }
}
