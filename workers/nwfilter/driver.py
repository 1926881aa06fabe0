"""The nwfilter driver: libvirt's verbs, and the services for drivers whose guests have filtered ports."""

from __future__ import annotations

from typing import Any

from tierhost.workers.nwfilter.backend import Firewall, NoFirewall, features
from tierhost.workers.nwfilter.binder import LOCK, Binder
from tierhost.workers.nwfilter.binding import check_owner, check_port, make_binding
from tierhost.workers.nwfilter.binding_calls import BindingCalls
from tierhost.workers.nwfilter.defining import FilterCalls
from tierhost.workers.nwfilter.records import BINDINGS, keep_features, known_features, mark_of
from tierhost.workers.nwfilter.restoring import restore
from tierhost.workers.runtime.contract import Code, DriverError, InhibitCallback, InitResult, service

OWNERS_MAX = 4096


class NwfilterDriver(FilterCalls, BindingCalls):
    """Keeps filters, and the rules of every bound port in the kernel; brings exactly those back after a crash."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Ask the kernel what it can do; then make every recorded port's rules what they were. Binds nothing new."""
        run = self.context.run
        try:
            able = known_features(run)
            able = keep_features(run, features()) if able is None else able
            self.binder = Binder(self.context, Firewall(self.context.run_dir, mark_of(self.context.persistent)), able)
            restore(self.binder)
        except NoFirewall as error:
            bound = run.all(BINDINGS)
            if bound:
                # They were filtered in an earlier life: to serve as if there were none would hide that nobody looks after them.
                raise NoFirewall(f"{len(bound)} ports have filters, and {error.text}") from None
            return self.skip(error.text)
        return InitResult.COMPLETE

    def state_reload(self) -> None:
        """Ask the kernel again what it can do, and look at the rules of every port; what somebody changed is put back."""
        with self.context.jobs.changing(LOCK):
            self.binder.features = keep_features(self.context.run, features())
            for port in list(self.binder.bindings):
                self.binder.check(port)

    def state_cleanup(self) -> None:
        """Watch no longer. The rules stay: the guests do, too."""
        binder = getattr(self, "binder", None)
        if binder is not None:
            binder.vigil.close()

    def objects(self) -> dict[str, dict[str, int]]:
        """Count filters and bindings."""
        filters = self.binder.filters.named.values()
        builtin = sum(one.builtin for one in filters)
        return {
            "filters": {"built in": builtin, "defined": len(filters) - builtin},
            "bindings": {"bound": len(self.binder.bindings)},
        }

    # For drivers with guests. Said twice, each of these has the same effect as once: a caller may repeat them freely.

    @service()
    def bind(
        self,
        port_dev: str,
        mac: str,
        filter_name: str,
        parameters: dict[str, Any],
        owner: str,
        owner_name: str = "",
    ) -> dict[str, Any]:
        """Filter a guest's port from now on. Call it before the guest gets the device, which need not be there yet.

        `owner` is the guest's uuid; `parameters` are of its <filterref>, {"IP": ["10.0.0.2"]}. For the same owner it replaces
        what was bound before, and the port is filtered by the old rules or by the new ones at every moment.
        """
        binding = make_binding(port_dev, mac, filter_name, parameters, owner, owner_name, driver=self._asking())
        with self.context.jobs.changing(LOCK):
            old = self.binder.bindings.get(binding.port_dev)
            if old is not None and (old.driver, old.owner) != (binding.driver, binding.owner):
                reason = f"it is bound for {old.owner_name or old.owner} already"
                raise DriverError(reason, code=Code.RESOURCE_BUSY, subject=binding.subject)
            return self.binder.bind(binding)

    @service()
    def unbind(self, port_dev: str, owner: str) -> None:
        """Filter the port of this owner no longer: its guest is gone. If there is no such binding, nothing happens."""
        port, who = _checked(port_dev, owner)
        with self.context.jobs.changing(LOCK):
            old = self.binder.bindings.get(port)
            if old is not None and (old.driver, old.owner) == (self._asking(), who):
                self.binder.unbind(port)

    @service()
    def keep_bindings(self, owners: dict[str, list[str]]) -> dict[str, Any]:
        """Take the calling driver's whole word on which ports its guests have: {"guest UUID": ["vnet0"]}.

        Its bindings that are not among them end. Returns which of them have none: they are to be bound again.
        """
        if not isinstance(owners, dict) or len(owners) > OWNERS_MAX or not all(isinstance(one, list) for one in owners.values()):
            raise DriverError("expected a map of owners to lists of port devices", code=Code.INVALID_ARG, subject="bindings")
        listed = {_checked(port, owner) for owner, ports in owners.items() for port in ports}
        with self.context.jobs.changing(LOCK):
            mine = {(one.port_dev, one.owner) for one in self.binder.bindings.values() if one.driver == self._asking()}
            for port, _ in sorted(mine - listed):
                self.binder.unbind(port)
        return {"missing": sorted(port for port, _ in listed - mine)}

    def _asking(self) -> str:
        caller = self.context.caller()
        return caller.driver if caller is not None else ""


def _checked(port_dev: object, owner: object) -> tuple[str, str]:
    try:
        return check_port(port_dev), check_owner(owner)
    except ValueError as error:
        raise DriverError(str(error), code=Code.INVALID_ARG, subject=f"binding {port_dev!s:.30}") from None
