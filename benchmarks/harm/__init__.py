"""Healthy trainings that look ill: does a controller that can go back make any of them worse?"""
